//! Filters, sorts and limits the exchanges of a history.

use std::cmp::Reverse;

use mesh::statuses::StatusFilter;

use crate::history::request::RememberedExchange;

/// Which exchanges are returned, in which order and how many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryChoice {
    /// Limits the result to these statuses.
    pub statuses: Option<StatusFilter>,
    /// The order.
    pub order: HistoryOrder,
    /// The maximum number.
    pub limit: usize,
}

/// The order of the exchanges.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HistoryOrder {
    /// The latest start first.
    #[default]
    Newest,
    /// The longest duration first.
    Slowest,
}

impl HistoryChoice {
    /// Returns the selected exchanges. Ties are ordered by pod name, so that two readers see the
    /// same.
    pub fn select(&self, mut exchanges: Vec<RememberedExchange>) -> Vec<RememberedExchange> {
        if let Some(statuses) = &self.statuses {
            exchanges.retain(|remembered| statuses.hold(remembered.exchange.status));
        }
        exchanges.sort_by(|a, b| {
            let slowest = || Reverse(a.exchange.took_us).cmp(&Reverse(b.exchange.took_us));
            let newest = Reverse(a.exchange.started_ms).cmp(&Reverse(b.exchange.started_ms)).then_with(|| a.pod.cmp(&b.pod));
            match self.order {
                HistoryOrder::Newest => newest,
                HistoryOrder::Slowest => slowest().then(newest),
            }
        });
        exchanges.truncate(self.limit);
        exchanges
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use mesh::exchange::Exchange;

    use super::*;
    use crate::history::request::HistorySource;

    fn gathered() -> Vec<RememberedExchange> {
        let one = |pod: &str, started_ms, status, took_us| RememberedExchange {
            pod: Arc::from(pod),
            exchange: Exchange { started_ms, status, took_us, ..Exchange::default() },
            source: HistorySource::Fetched,
        };
        vec![one("b", 5, 200, 7), one("a", 5, 503, 7), one("a", 9, 200, 1), one("b", 2, 500, 90)]
    }

    fn shown(choice: &HistoryChoice) -> Vec<(String, u64)> {
        choice.select(gathered()).into_iter().map(|shown| (shown.pod.to_string(), shown.exchange.started_ms)).collect()
    }

    #[test]
    fn the_pods_are_merged_and_the_newest_come_first() {
        let all = HistoryChoice { statuses: None, order: HistoryOrder::Newest, limit: 10 };
        assert_eq!(shown(&all), [("a".into(), 9), ("a".into(), 5), ("b".into(), 5), ("b".into(), 2)]);
        assert_eq!(shown(&HistoryChoice { limit: 1, ..all.clone() }), [("a".into(), 9)]);
        assert_eq!(
            shown(&HistoryChoice { order: HistoryOrder::Slowest, limit: 2, ..all.clone() }),
            [("b".into(), 2), ("a".into(), 5)]
        );
        let failures = HistoryChoice { statuses: "5xx".parse().ok(), ..all };
        assert_eq!(shown(&failures), [("a".into(), 5), ("b".into(), 2)]);
    }
}
