//! The "Needs attention" list: the few problems to look at first.

use crate::dashboard::attention_cells::AttentionCells;
use crate::dashboard::chart::threshold_crossings::{Since, over_since};
use crate::dashboard::order::SortOrder;
use crate::dashboard::replicas;
use crate::dashboard::row::OverviewRow;
use crate::dashboard::switch::ReceiptCounts;
use crate::model::durability::{Durability, Medium};
use crate::model::pod::PodState;
use crate::model::rule_status::{ReceiptState, RuleStatus};
use crate::model::switch::Switch;
use crate::query::snapshot::{EndpointRow, PodRow, Snapshot};
use format::health::{FAILING_AMBER, FAILING_RED, HealthLevel};
use format::{number, time};

/// Maximum number of items. Ten would repeat the table.
pub const ITEMS_MAX: usize = 3;

/// A minute in milliseconds.
const MINUTE_MS: u64 = 60_000;

/// The most urgent items. Incomplete numbers after a restart come first, because they affect all
/// others. A disk that cannot be written comes next: it affects all numbers and every command. Then
/// a replaced store, red failures, a replica that cannot take over, silent pods, and the rest.
pub fn items(snapshot: &Snapshot, rows: &[OverviewRow]) -> [AttentionCells; ITEMS_MAX] {
    let mut urgent: Vec<(&EndpointRow, &OverviewRow)> =
        snapshot.endpoints.iter().zip(rows).filter(|(_, row)| row.verdict.urgency() > 0).collect();
    urgent.sort_by(|(_, a), (_, b)| SortOrder::Problems.compare(&a.keys, &b.keys));
    let red = urgent.iter().take_while(|(_, row)| row.verdict.failing == HealthLevel::Red).count();
    let item = |(endpoint, row): &(&EndpointRow, &OverviewRow)| item(endpoint, row, snapshot);
    let first = incomplete(snapshot).into_iter().chain(not_on_disk(snapshot)).chain(store_replaced(snapshot));
    let worst = first.chain(urgent[..red].iter().map(item));
    let mut items = worst.chain(replicas::first_at_fault(snapshot)).chain(silent(snapshot)).chain(urgent[red..].iter().map(item));
    std::array::from_fn(|_| items.next().unwrap_or_default())
}

/// The item for pods that have not reported since the restart.
fn incomplete(snapshot: &Snapshot) -> Option<AttentionCells> {
    let waiting = snapshot.recovery?;
    Some(AttentionCells {
        kind: "wait",
        href: "pods".into(),
        title: "The control plane".into(),
        strong: waiting.to_string(),
        rest: ": totals and rates are too low until all have".into(),
        ..AttentionCells::default()
    })
}

/// The item for a disk, or a log on NATS, that cannot be written, with what to do.
fn not_on_disk(snapshot: &Snapshot) -> Option<AttentionCells> {
    let Durability::NotDurable { medium, since_ms, why } = &snapshot.standing else { return None };
    let (title, advice) = match medium {
        Medium::Disk => ("The control plane’s disk", "free space in its data folder"),
        Medium::Log => ("NATS", "see which of its servers run"),
    };
    Some(AttentionCells {
        kind: "bad",
        href: "api/v1/status".into(),
        title: title.into(),
        strong: format!("Nothing written for {}", time::span(snapshot.taken_ms.saturating_sub(*since_ms))),
        rest: format!(": {advice}. Numbers are only in memory, and rule changes are refused. {why}"),
        ..AttentionCells::default()
    })
}

/// The item for a store that was lost or replaced.
fn store_replaced(snapshot: &Snapshot) -> Option<AttentionCells> {
    Some(AttentionCells {
        kind: "bad",
        href: "api/v1/status".into(),
        title: "The control plane’s store".into(),
        strong: "It was lost or replaced".into(),
        rest: format!(": {}", snapshot.store_replaced.as_ref()?),
        ..AttentionCells::default()
    })
}

/// The item for pods that do not report.
fn silent(snapshot: &Snapshot) -> Option<AttentionCells> {
    let silent: Vec<&PodRow> = snapshot.pods.iter().filter(|pod| pod.state == PodState::Silent).collect();
    let longest_ms = silent.iter().map(|pod| snapshot.taken_ms.saturating_sub(pod.last_message_ms)).max()?;
    let title = if silent.len() == 1 { silent[0].workload.pod.clone() } else { format!("{} pods", silent.len()) };
    Some(AttentionCells {
        kind: "warn",
        href: "pods?show=silent".into(),
        title,
        strong: format!("Silent for {}", time::span(longest_ms)),
        rest: ", its numbers are missing here".replace("its", if silent.len() == 1 { "its" } else { "their" }),
        ..AttentionCells::default()
    })
}

fn item(endpoint: &EndpointRow, row: &OverviewRow, snapshot: &Snapshot) -> AttentionCells {
    let item = AttentionCells { href: row.cells.href.clone(), title: endpoint.endpoint.to_string(), ..AttentionCells::default() };
    let verdict = &row.verdict;
    if verdict.failing > HealthLevel::Calm {
        let limit = if verdict.failing == HealthLevel::Red { FAILING_RED } else { FAILING_AMBER };
        let strong = format!("{} 5xx", row.cells.failing.words());
        let begin = format!(", limit {:.0} %,", limit * 100.0);
        return AttentionCells { kind: verdict.failing.name(), strong, ..since(item, (&begin, limit), endpoint) };
    }
    if verdict.slow > HealthLevel::Calm {
        let times = verdict.slower_by.unwrap_or(1.0);
        let usual = number::latency(endpoint.usual_p95_us).words();
        let strong = format!("p95 {}", row.cells.p95.words());
        return AttentionCells { kind: verdict.slow.name(), strong, rest: format!(", {times:.1}× its usual {usual}"), ..item };
    }
    match &endpoint.switch {
        Switch::TurningOff(status) => turning_off(item, status, snapshot.taken_ms),
        Switch::TurningOn { applied, of } => {
            let rest =
                format!("Turning on: waiting for {} of {}", of.saturating_sub(*applied), number::plural(*of, "pod", "pods"));
            AttentionCells { kind: "wait", rest, ..item }
        }
        Switch::On | Switch::Off(_) | Switch::PartlyOff { .. } | Switch::Protected | Switch::Unavailable => item,
    }
}

/// Adds since when the endpoint is over this limit. It uses the last hour, so that all windows show the same time.
fn since(item: AttentionCells, (begin, limit): (&str, f64), endpoint: &EndpointRow) -> AttentionCells {
    let (words, at_ms) = match over_since(&endpoint.outcomes, limit) {
        None => return AttentionCells { rest: begin.trim_end_matches(',').to_owned(), ..item },
        Some(Since::At(at_ms)) => ("since", at_ms),
        Some(Since::Before(at_ms)) => ("since before", at_ms),
        Some(Since::First(at_ms)) => ("since its first request,", at_ms),
        Some(Since::Until(at_ms)) => ("until", at_ms),
    };
    // Slots are too coarse to show seconds.
    let since_ms = at_ms / MINUTE_MS * MINUTE_MS;
    let since = format!("{} UTC", time::minute(since_ms));
    AttentionCells { rest: format!("{begin} {words} "), since_ms: since_ms.to_string(), since, ..item }
}

fn turning_off(item: AttentionCells, status: &RuleStatus, now_ms: u64) -> AttentionCells {
    let receipts = ReceiptCounts::of(status);
    let rule = status.rule.id.clone();
    let why = status.pods.iter().find_map(|pod| match &pod.state {
        ReceiptState::Refused(why) => Some(why),
        _ => None,
    });
    if let Some(why) = why {
        let strong = format!("Refused by {}", number::plural(receipts.refused, "pod", "pods"));
        return AttentionCells { kind: "bad", strong, rest: format!(": {why}"), rule, ..item };
    }
    let waiting = format!("{} of {}", receipts.pending, number::plural(receipts.all(), "pod", "pods"));
    let since = time::span(now_ms.saturating_sub(status.created_ms));
    AttentionCells { kind: "wait", rest: format!("Turning off: waiting for {waiting}, {since}"), rule, ..item }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::dashboard::sample;
    use crate::model::recovery_progress::RecoveryWaiting;
    use crate::model::slot_outcomes::{OUTCOME_MS, SlotOutcome};
    use crate::model::window::QueryWindow;

    fn sample_items(change: impl FnOnce(&mut Snapshot)) -> Vec<(String, String)> {
        let mut snapshot = sample::snapshot();
        change(&mut snapshot);
        let rows: Vec<OverviewRow> = snapshot.endpoints.iter().map(|row| OverviewRow::of(row, sample::NOW_MS)).collect();
        let items = items(&snapshot, &rows);
        items
            .iter()
            .map(|item| (item.kind.to_owned(), format!("{} {}{}{}", item.title, item.strong, item.rest, item.since)))
            .collect()
    }

    #[test]
    fn numbers_that_are_too_low_after_a_restart_are_the_first_item() {
        let waiting = RecoveryWaiting { reported: 5, of: 7, elapsed: Duration::from_millis(3400) };
        let items = sample_items(|snapshot| snapshot.recovery = Some(waiting));
        let words =
            "The control plane 5 of 7 pods have reported since the restart 3 s ago: totals and rates are too low until all have";
        assert_eq!(items[0], ("wait".into(), words.into()));
    }

    #[test]
    fn the_worst_three_are_named() {
        let expected = [
            ("bad", "POST /api/checkout 7.9 % 5xx, limit 5 %, since before 13:07 UTC"),
            ("warn", "legacy-2 Silent for 14 s, its numbers are missing here"),
            ("warn", "GET /api/search p95 1.24 s, 2.6× its usual 480 ms"),
        ];
        assert_eq!(sample_items(|_| {}), expected.map(|(kind, text)| (kind.to_owned(), text.to_owned())));

        let received = sample_items(|snapshot| snapshot.pods.clear());
        assert_eq!(received[2], ("wait".into(), "GET /legacy/export Turning off: waiting for 1 of 2 pods, 12 s".into()));
    }

    #[test]
    fn a_disk_that_takes_nothing_comes_first_with_what_to_do() {
        let items = sample_items(|snapshot| {
            let why = "no space left on device".to_owned();
            snapshot.standing = Durability::NotDurable { medium: Medium::Disk, since_ms: sample::NOW_MS - 180_000, why };
        });
        let expected = "The control plane’s disk Nothing written for 3 min: free space in its data folder. \
            Numbers are only in memory, and rule changes are refused. no space left on device";
        assert_eq!(items[0], ("bad".into(), expected.into()));
        assert!(items[1].1.starts_with("POST /api/checkout"), "{items:?}");
    }

    #[test]
    fn a_failure_has_one_time_in_all_windows() {
        for window_s in [60, 300, 900, 3600, 7 * 86_400, 90 * 86_400] {
            let items = sample_items(|snapshot| {
                snapshot.window = QueryWindow::Last(Duration::from_secs(window_s));
                snapshot.since_ms = sample::NOW_MS - 49_000;
                let failing = snapshot.endpoints.iter_mut().find(|row| row.endpoint.route() == "/api/checkout").unwrap();
                let mut slots = failing.outcomes.slots.to_vec();
                slots[..344].iter_mut().for_each(|slot| slot.failures = 0);
                failing.outcomes.slots = slots.into();
            });
            assert!(items[0].1.ends_with(", limit 5 %, since 14:05 UTC"), "{window_s}: {items:?}");
        }
    }

    #[test]
    fn what_fails_from_its_first_request_on_says_so() {
        let items = sample_items(|snapshot| {
            let failing = snapshot.endpoints.iter_mut().find(|row| row.endpoint.route() == "/api/checkout").unwrap();
            let mut slots = failing.outcomes.slots.to_vec();
            slots[..344].fill(SlotOutcome::default());
            failing.outcomes.began_ms = failing.outcomes.from_ms + 344 * OUTCOME_MS + 3_000;
            failing.outcomes.slots = slots.into();
        });
        assert!(items[0].1.ends_with(", limit 5 %, since its first request, 14:05 UTC"), "{items:?}");
    }

    #[test]
    fn a_refusal_is_said_with_its_reason() {
        let items = sample_items(|snapshot| {
            snapshot.pods.clear();
            let endpoints = &mut snapshot.endpoints;
            endpoints.retain(|row| matches!(row.switch, Switch::TurningOff(_)));
            endpoints[0].switch =
                Switch::TurningOff(sample::rule(&endpoints[0], &[ReceiptState::Refused("too many rules".into())]));
        });
        assert_eq!(items[0], ("bad".into(), "GET /legacy/export Refused by 1 pod: too many rules".into()));
        assert_eq!(items[1].0, "");
    }
}
