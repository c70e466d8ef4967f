//! What is known of an endpoint's exchanges: hits, latency, status, bytes; merging is addition.

use crate::histogram::Histogram;

/// Status codes told apart per endpoint. A service uses a dozen; the rest is counted under 0.
pub const STATUSES_MAX: usize = 64;

/// The status of an exchange whose downstream left before there was an answer.
pub const CLIENT_GONE: u16 = 499;

/// Everything counted about one endpoint over some stretch of time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GoldenMetrics {
    /// Exchanges, those answered by a rule included.
    pub hits: u64,
    /// Of those, answered by a rule in the service's place.
    pub by_rule: u64,
    /// Of those the service answered with a 5xx, or not at all. A rule's own 503 is no failure of the service.
    pub failed: u64,
    /// Sum of the latencies, in microseconds. Exchanges answered by a rule are not timed.
    pub total_us: u64,
    /// The longest latency, in microseconds.
    pub max_us: u64,
    /// Bytes of request bodies.
    pub bytes_in: u64,
    /// Bytes of response bodies.
    pub bytes_out: u64,
    /// Latencies of the exchanges that the service answered.
    pub latency: Histogram,
    statuses: Vec<(u16, u64)>,
}

impl GoldenMetrics {
    /// Counts `count` answers with `status`.
    pub fn add_status(&mut self, status: u16, count: u64) {
        match self.statuses.binary_search_by_key(&status, |(code, _)| *code) {
            Ok(at) => self.statuses[at].1 = self.statuses[at].1.saturating_add(count),
            Err(at) if self.statuses.len() < STATUSES_MAX => self.statuses.insert(at, (status, count)),
            // Full: the odd ones share the code 0, for which there is always room once it exists.
            Err(_) if self.statuses[0].0 == 0 => self.statuses[0].1 = self.statuses[0].1.saturating_add(count),
            Err(_) => self.statuses.insert(0, (0, count)),
        }
    }

    /// The status codes seen, lowest first, with how often.
    pub fn statuses(&self) -> &[(u16, u64)] {
        &self.statuses
    }

    /// How many answers had a status of this class, 5 for 5xx.
    pub fn class(&self, hundreds: u16) -> u64 {
        self.statuses.iter().filter(|(code, _)| code / 100 == hundreds).fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// Exchanges that the service itself answered, or failed to: the ones that were timed.
    pub fn served(&self) -> u64 {
        self.hits.saturating_sub(self.by_rule)
    }

    /// Exchanges that the service failed.
    pub fn failures(&self) -> u64 {
        self.failed
    }

    /// Adds what `other` has counted. A sum that no honest pod can reach stays at its end instead of wrapping.
    pub fn merge(&mut self, other: &Self) {
        self.hits = self.hits.saturating_add(other.hits);
        self.by_rule = self.by_rule.saturating_add(other.by_rule);
        self.failed = self.failed.saturating_add(other.failed);
        self.total_us = self.total_us.saturating_add(other.total_us);
        self.max_us = self.max_us.max(other.max_us);
        self.bytes_in = self.bytes_in.saturating_add(other.bytes_in);
        self.bytes_out = self.bytes_out.saturating_add(other.bytes_out);
        self.latency.merge(&other.latency);
        for (status, count) in &other.statuses {
            self.add_status(*status, *count);
        }
    }

    /// What was counted since `earlier`, an earlier state of the same metrics.
    ///
    /// A maximum cannot be taken back, so the result carries the later one.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut since = Self {
            hits: self.hits.saturating_sub(earlier.hits),
            by_rule: self.by_rule.saturating_sub(earlier.by_rule),
            failed: self.failed.saturating_sub(earlier.failed),
            total_us: self.total_us.saturating_sub(earlier.total_us),
            max_us: self.max_us,
            bytes_in: self.bytes_in.saturating_sub(earlier.bytes_in),
            bytes_out: self.bytes_out.saturating_sub(earlier.bytes_out),
            latency: self.latency.since(&earlier.latency),
            statuses: Vec::new(),
        };
        for (status, count) in &self.statuses {
            let before = earlier.statuses.iter().find(|(code, _)| code == status).map_or(0, |(_, count)| *count);
            if *count > before {
                since.add_status(*status, count - before);
            }
        }
        since
    }

    /// Forgets all counts but keeps the room they took.
    pub fn clear(&mut self) {
        self.latency.clear();
        self.statuses.clear();
        *self =
            Self { latency: std::mem::take(&mut self.latency), statuses: std::mem::take(&mut self.statuses), ..Self::default() };
    }

    /// Whether anything was counted.
    pub fn is_empty(&self) -> bool {
        self.hits == 0 && self.bytes_in == 0 && self.bytes_out == 0
    }

    /// The latency in microseconds below which the share `q` (0 to 1) of the timed exchanges lies, within 4.4 %;
    /// `None` if there are none. It never exceeds the longest one, which is known exactly.
    pub fn quantile_us(&self, q: f64) -> Option<f64> {
        self.latency.quantile(q).map(|us| us.min(self.max_us as f64))
    }

    /// The mean latency in microseconds, total over the exchanges timed; `None` if there were none.
    pub fn mean_us(&self) -> Option<f64> {
        (self.served() > 0).then(|| self.total_us as f64 / self.served() as f64)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn metrics() -> impl Strategy<Value = GoldenMetrics> {
        prop::collection::vec((200_u16..230, 0_u64..10_000_000, 0_u64..5000, any::<bool>()), 0..40).prop_map(|exchanges| {
            let mut golden = GoldenMetrics::default();
            for (status, took_us, bytes, by_rule) in exchanges {
                golden.hits += 1;
                golden.bytes_out += bytes;
                golden.add_status(status, 1);
                if by_rule {
                    golden.by_rule += 1;
                } else {
                    golden.failed += u64::from(status >= 220);
                    golden.total_us += took_us;
                    golden.max_us = golden.max_us.max(took_us);
                    golden.latency.record(took_us);
                }
            }
            golden
        })
    }

    proptest! {
        #[test]
        fn merging_then_taking_back_changes_nothing(a in metrics(), b in metrics()) {
            let mut sum = a.clone();
            sum.merge(&b);
            let mut back = sum.since(&a);
            back.max_us = b.max_us;
            prop_assert_eq!(back, b);
        }

        #[test]
        fn every_hit_has_a_status(a in metrics()) {
            prop_assert_eq!(a.statuses().iter().map(|(_, count)| count).sum::<u64>(), a.hits);
        }
    }

    #[test]
    fn no_quantile_exceeds_the_longest() {
        let mut golden = GoldenMetrics { hits: 1, max_us: 1000, ..GoldenMetrics::default() };
        golden.latency.record(1000);
        assert_eq!(golden.quantile_us(0.99).map(|us| us <= 1000.0 && us > 950.0), Some(true));
    }

    #[test]
    fn the_mean_is_the_total_over_the_hits() {
        let mut golden = GoldenMetrics { hits: 3, total_us: 9000, ..GoldenMetrics::default() };
        assert_eq!(golden.mean_us(), Some(3000.0));
        golden.by_rule = 3;
        assert_eq!(golden.mean_us(), None);
    }

    #[test]
    fn odd_statuses_share_a_place_once_there_are_too_many() {
        let mut golden = GoldenMetrics::default();
        (100..600).for_each(|status| golden.add_status(status, 1));
        assert_eq!(golden.statuses().len(), STATUSES_MAX + 1);
        assert_eq!(golden.statuses()[0], (0, 500 - STATUSES_MAX as u64));
    }
}
