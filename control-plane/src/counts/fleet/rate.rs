//! Requests per second of one pod over the last ten seconds, in a few bytes.

/// Length of the period that a rate covers, in seconds.
pub const RATE_SECONDS: u64 = 10;

/// Ten whole seconds and the running one.
const SLOTS: usize = RATE_SECONDS as usize + 1;

/// Hits by second.
#[derive(Debug, Clone, Default)]
pub struct Rate {
    /// The newest second, counted from the Unix epoch.
    newest: u64,
    /// Each second's hits, at the second modulo their number.
    hits: [u64; SLOTS],
}

impl Rate {
    /// Counts hits in the second of `now_ms`.
    pub fn add(&mut self, now_ms: u64, hits: u64) {
        let second = now_ms / 1000;
        let slot = |second: u64| (second % SLOTS as u64) as usize;
        if self.newest >= second + SLOTS as u64 {
            // The clock was ahead and has been set back.
            *self = Self { newest: second, ..Self::default() };
        }
        for new in (self.newest + 1).max((second + 1).saturating_sub(SLOTS as u64))..=second {
            self.hits[slot(new)] = 0;
        }
        self.newest = self.newest.max(second);
        self.hits[slot(second)] = self.hits[slot(second)].saturating_add(hits);
    }

    /// Hits per second over the last ten seconds.
    pub fn per_second(&self, now_ms: u64) -> f64 {
        let second = now_ms / 1000;
        let kept = (self.newest + 1).saturating_sub(SLOTS as u64)..=self.newest;
        let recent = kept.filter(|at| *at <= second && at + RATE_SECONDS >= second);
        let hits = recent.map(|at| self.hits[(at % SLOTS as u64) as usize]).fold(0, u64::saturating_add);
        // The running second is partial in the hits, so it is partial in the time, too.
        let covered_s = RATE_SECONDS as f64 + (now_ms % 1000) as f64 / 1000.0;
        hits as f64 / covered_s
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_that_exaggerates_has_a_high_rate_and_no_more() {
        let mut rate = Rate::default();
        (0..5).for_each(|second| rate.add(1_000_000 + second * 1000, u64::MAX));
        assert!(rate.per_second(1_005_000) > 1e18);
    }

    #[test]
    fn a_clock_that_is_set_back_a_little_loses_nothing_and_one_that_was_far_ahead_begins_anew() {
        let mut rate = Rate::default();
        for at_ms in [1_000_000, 1_003_000, 1_001_000] {
            rate.add(at_ms, 10);
        }
        assert!((rate.per_second(1_003_000) - 3.0).abs() < f64::EPSILON);
        rate.add(9_000_000, 10);
        rate.add(1_004_000, 20);
        assert!((rate.per_second(1_004_000) - 2.0).abs() < f64::EPSILON);
    }

    #[test]
    fn a_steady_pod_has_its_rate_at_every_instant() {
        let mut rate = Rate::default();
        for at_ms in (1_000_000..1_060_000).step_by(100) {
            rate.add(at_ms, 5);
            if at_ms > 1_012_000 {
                let per_second = rate.per_second(at_ms);
                assert!((49.0..=51.0).contains(&per_second), "{per_second} at {at_ms}");
            }
        }
        assert!(rate.per_second(1_080_000).abs() < f64::EPSILON, "an old rate is no rate");
    }
}
