//! The responses of an endpoint by status, and further facts about the window.

use serde::Serialize;

use crate::dashboard::zone::Zone;
use crate::history::request::RememberedExchange;
use crate::query::snapshot::EndpointRow;
use format::health::{FAILING_RED, ratio};
use format::number;

/// Maximum number of bars; the remaining statuses are summed in one bar.
pub const SHOWN_MAX: usize = 8;

/// Width of a full bar.
const BAR: f64 = 300.0;

/// Letters kept of a pod's name where space is short: its end identifies the pod.
const POD_END: usize = 5;

/// The live values of one status.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ResponseCells {
    /// The status code.
    pub status: String,
    /// The reason phrase.
    pub meaning: &'static str,
    /// Number of responses.
    pub count: String,
    /// Share of all responses.
    pub share: String,
    /// Width of the bar, out of 300.
    pub bar: String,
    /// `s2`, `s4` or `s5`; empty if the bar is unused.
    pub kind: &'static str,
}

/// Further facts about the window.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// Number of responses.
    pub all: String,
    /// Message if there are none.
    pub none: &'static str,
    /// The newest failure that a pod reported.
    pub last_failure: String,
    /// Number of responses by a rule.
    pub by_rule: String,
    /// Failures of the service, and of the sidecar.
    pub failed: String,
    /// Number of requests that the client aborted.
    pub client_gone: String,
    /// The fastest and the slowest response.
    pub extremes: String,
    /// Mean time to the first byte.
    pub first_byte: String,
    /// p90 and p99.9.
    pub quantiles: String,
    /// The usual p95.
    pub usual: String,
    /// The limits from which values are coloured.
    pub limits: String,
}

/// The bars in order of status: the most frequent ones; the last bar sums those without room.
pub fn responses(row: &EndpointRow) -> [ResponseCells; SHOWN_MAX] {
    let statuses = row.now.statuses();
    let all = statuses.iter().fold(0_u64, |sum, (_, count)| sum.saturating_add(*count));
    let mut shown: Vec<(u16, u64)> = statuses.to_vec();
    if shown.len() > SHOWN_MAX {
        shown.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let rest = shown.split_off(SHOWN_MAX - 1);
        shown.sort_by_key(|(status, _)| *status);
        shown.push((0, rest.iter().fold(0, |sum, (_, count)| sum.saturating_add(*count))));
    }
    let mut cells = std::array::from_fn(|_| ResponseCells { bar: "0".into(), ..ResponseCells::default() });
    for (cells, (status, count)) in cells.iter_mut().zip(shown) {
        *cells = response(status, count, all);
    }
    cells
}

fn response(status: u16, count: u64, all: u64) -> ResponseCells {
    ResponseCells {
        status: if status == 0 { "other".into() } else { status.to_string() },
        meaning: meaning(status),
        count: number::count(count),
        share: number::percent(ratio(count, all)).words(),
        bar: format!("{:.1}", (BAR * ratio(count, all)).max(2.0)),
        kind: match status / 100 {
            5 => "s5",
            4 => "s4",
            _ => "s2",
        },
    }
}

/// The reason phrase of a status, as registered with IANA.
pub fn meaning(status: u16) -> &'static str {
    match status {
        mesh::golden::CLIENT_GONE => "Client Gone",
        _ => axum::http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or(""),
    }
}

impl Facts {
    /// The facts of an endpoint, with the failures that its pods pushed.
    pub fn of(row: &EndpointRow, reported: &[RememberedExchange], zone: &Zone) -> Self {
        let now = &row.now;
        let us = |us: Option<f64>| number::latency(us).words();
        let longest = (now.latency.count() > 0).then_some(now.max_us as f64);
        Self {
            all: number::count(now.hits),
            none: if now.hits == 0 { "None in this window." } else { "" },
            last_failure: last_failure(reported, zone),
            by_rule: number::count(now.by_rule),
            failed: format!(
                "{} by the service, {} by the sidecar",
                number::count(now.failed),
                number::count(now.failed_by_sitio)
            ),
            client_gone: number::count(now.client_gone()),
            extremes: format!("{} to {}", us(now.min_us.map(|us| us as f64)), us(longest)),
            first_byte: us(now.first_byte_mean_us()),
            quantiles: format!("{}, {}", us(now.quantile_us(0.9)), us(now.quantile_us(0.999))),
            usual: us(row.usual_p95_us),
            limits: format!("5xx {}, p95 twice its usual", number::percent(FAILING_RED).words()),
        }
    }
}

fn last_failure(reported: &[RememberedExchange], zone: &Zone) -> String {
    let Some(newest) = reported.iter().max_by_key(|reported| reported.exchange.started_ms) else { return "none recorded".into() };
    let letters: Vec<char> = newest.pod.chars().collect();
    let end: String = letters[letters.len().saturating_sub(POD_END)..].iter().collect();
    let pod = if letters.len() > POD_END + 1 { format!("…{end}") } else { newest.pod.to_string() };
    format!("{}, {} from {pod}", zone.time(newest.exchange.started_ms), newest.exchange.status)
}

#[cfg(test)]
mod tests {
    use mesh::exchange::Exchange;

    use super::*;
    use crate::dashboard::sample;
    use crate::history::request::HistorySource;

    #[test]
    fn each_status_has_its_share() {
        let cells = responses(&sample::snapshot().endpoints[4]);
        let words: Vec<_> = cells.iter().take(3).map(|cells| (cells.status.as_str(), cells.share.as_str(), cells.kind)).collect();
        assert_eq!(words, [("200", "92 %", "s2"), ("500", "7.9 %", "s5"), ("", "", "")]);
    }

    #[test]
    fn statuses_that_find_no_room_are_counted_together() {
        let mut row = sample::snapshot().endpoints.swap_remove(0);
        (400..420).for_each(|status| row.now.add_status(status, 3));
        let cells = responses(&row);
        assert_eq!((cells[7].status.as_str(), cells[7].count.as_str()), ("other", "44"));
        assert_eq!(cells[0].status, "200", "frequent statuses have rows of their own, in their order");
    }

    #[test]
    fn the_newest_failure_is_named_with_the_end_of_its_pod() {
        let reported = |pod: &str, started_ms| RememberedExchange {
            pod: pod.into(),
            exchange: Exchange { started_ms, status: 503, ..Exchange::default() },
            source: HistorySource::Pushed,
        };
        let all =
            [reported("payments-7d4c9b6f54-c7mtn", sample::NOW_MS), reported("payments-7d4c9b6f54-4xk2p", sample::NOW_MS - 9)];
        assert_eq!(last_failure(&all, &Zone::default()), "14:07:41 UTC, 503 from …c7mtn");
        assert_eq!(last_failure(&[reported("a", 0)], &Zone::default()), "00:00:00 UTC, 503 from a");
        assert_eq!(last_failure(&[], &Zone::default()), "none recorded");
    }
}
