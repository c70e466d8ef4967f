//! "Needs attention": the few things that a person should look at first.

use serde::Serialize;

use crate::snapshot::{EndpointRow, ReceiptState, RuleStatus, Switch};
use crate::web::format;
use crate::web::judge::{FAILING_AMBER, FAILING_RED, Level};
use crate::web::row::Row;
use crate::web::switch::Receipts;

/// Items shown. A list of ten would be the table again.
pub const ITEMS_MAX: usize = 3;

/// One item; an empty one is not shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct AttentionCells {
    /// `bad`, `warn`, `wait` or nothing: the picture, and whether the item is shown.
    pub kind: &'static str,
    /// Where it leads.
    pub href: String,
    /// The endpoint.
    pub title: String,
    /// What is wrong, in words that may be coloured.
    pub strong: String,
    /// The rest of the sentence.
    pub rest: String,
    /// The rule that is under way, if that is what the item is about.
    pub rule: String,
}

/// The most urgent items, worst first.
pub fn items(endpoints: &[EndpointRow], rows: &[Row], now_ms: u64) -> [AttentionCells; ITEMS_MAX] {
    let mut urgent: Vec<(&EndpointRow, &Row)> = endpoints.iter().zip(rows).filter(|(_, row)| row.verdict.urgency() > 0).collect();
    urgent.sort_by(|(_, a), (_, b)| crate::web::order::Order::Problems.compare(&a.keys, &b.keys));
    let mut items = urgent.into_iter().map(|(endpoint, row)| item(endpoint, row, now_ms));
    std::array::from_fn(|_| items.next().unwrap_or_default())
}

fn item(endpoint: &EndpointRow, row: &Row, now_ms: u64) -> AttentionCells {
    let item = AttentionCells { href: row.cells.href.clone(), title: endpoint.endpoint.to_string(), ..AttentionCells::default() };
    let verdict = &row.verdict;
    if verdict.failing > Level::Calm {
        let limit = if verdict.failing == Level::Red { FAILING_RED } else { FAILING_AMBER };
        let strong = format!("{} 5xx", row.cells.failing.words());
        return AttentionCells { kind: verdict.failing.name(), strong, rest: format!(", limit {:.0} %", limit * 100.0), ..item };
    }
    if verdict.slow > Level::Calm {
        let times = verdict.slower_by.unwrap_or(1.0);
        let usual = format::latency(endpoint.usual_p95_us).words();
        let strong = format!("p95 {}", row.cells.p95.words());
        return AttentionCells { kind: verdict.slow.name(), strong, rest: format!(", {times:.1}× its usual {usual}"), ..item };
    }
    match &endpoint.switch {
        Switch::TurningOff(status) => turning_off(item, status, now_ms),
        Switch::TurningOn { applied, of } => {
            let rest =
                format!("Turning on: waiting for {} of {}", of.saturating_sub(*applied), format::plural(*of, "pod", "pods"));
            AttentionCells { kind: "wait", rest, ..item }
        }
        Switch::On | Switch::Off(_) | Switch::Protected | Switch::Unavailable => item,
    }
}

fn turning_off(item: AttentionCells, status: &RuleStatus, now_ms: u64) -> AttentionCells {
    let receipts = Receipts::of(status);
    let rule = status.rule.id.clone();
    let why = status.pods.iter().find_map(|pod| match &pod.state {
        ReceiptState::Refused(why) => Some(why),
        _ => None,
    });
    if let Some(why) = why {
        let strong = format!("Refused by {}", format::plural(receipts.refused, "pod", "pods"));
        return AttentionCells { kind: "bad", strong, rest: format!(": {why}"), rule, ..item };
    }
    let waiting = format!("{} of {}", receipts.pending, format::plural(receipts.all(), "pod", "pods"));
    let since = format::span(now_ms.saturating_sub(status.created_ms));
    AttentionCells { kind: "wait", rest: format!("Turning off: waiting for {waiting}, {since}"), rule, ..item }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::sample;

    fn sample_items(change: impl FnOnce(&mut Vec<EndpointRow>)) -> Vec<(String, String)> {
        let mut endpoints = sample::snapshot().endpoints;
        change(&mut endpoints);
        let rows: Vec<Row> = endpoints.iter().map(|row| Row::of(row, sample::NOW_MS)).collect();
        let items = items(&endpoints, &rows, sample::NOW_MS);
        items.iter().map(|item| (item.kind.to_owned(), format!("{} {}{}", item.title, item.strong, item.rest))).collect()
    }

    #[test]
    fn the_worst_three_are_named() {
        let expected = [
            ("bad", "POST /api/checkout 7.9 % 5xx, limit 5 %"),
            ("warn", "GET /api/search p95 1.24 s, 2.6× its usual 480 ms"),
            ("wait", "GET /legacy/export Turning off: waiting for 1 of 2 pods, 12 s"),
        ];
        assert_eq!(sample_items(|_| {}), expected.map(|(kind, text)| (kind.to_owned(), text.to_owned())));
    }

    #[test]
    fn a_refusal_is_said_with_its_reason() {
        let items = sample_items(|endpoints| {
            endpoints.retain(|row| matches!(row.switch, Switch::TurningOff(_)));
            endpoints[0].switch =
                Switch::TurningOff(sample::rule(&endpoints[0], &[ReceiptState::Refused("too many rules".into())]));
        });
        assert_eq!(items[0], ("bad".into(), "GET /legacy/export Refused by 1 pod: too many rules".into()));
        assert_eq!(items[1].0, "");
    }
}
