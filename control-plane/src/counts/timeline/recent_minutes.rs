//! The recent minutes of one pod on one endpoint, in few bytes: enough to find which pod is slow.

use std::collections::VecDeque;
use std::sync::Arc;

use mesh::golden::GoldenMetrics;
use mesh::histogram::Histogram;

use crate::counts::timeline::apportion::Fraction;
use crate::counts::timeline::counted_span::CountedSpan;
use crate::counts::timeline::quota::{CountQuota, QuotaPermit};

/// Whole minutes kept, besides the running one.
pub const MINUTES: u64 = 5;

/// Pod and endpoint pairs that have recent minutes. Each takes 16 bytes per used latency bucket in
/// up to six minutes: 1.5 kB with a dozen buckets, so 50 MB in all. Over the limit, an endpoint has
/// no values per pod.
pub const RECENT_PAIRS_MAX: usize = 32_768;

/// Length of a slot.
const MINUTE_MS: u64 = 60_000;

/// A longer report is not divided over slots.
const LONG_MS: u64 = 2 * MINUTE_MS;

/// The recent minutes of one pod on one endpoint.
#[derive(Debug, Default)]
pub struct RecentMinutes {
    slots: VecDeque<MinuteSlot>,
    /// `None` if it is computed only to be read.
    _place: Option<QuotaPermit>,
}

#[derive(Debug, Default)]
struct MinuteSlot {
    minute: u64,
    hits: u64,
    by_rule: u64,
    failures: u64,
    zeros: u64,
    /// Counts by bucket, only buckets that were used.
    latency: Vec<(i32, u64)>,
}

/// The sum of the recent minutes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecentTotals {
    /// Number of requests.
    pub hits: u64,
    /// Requests that a rule answered.
    pub by_rule: u64,
    /// Requests that failed.
    pub failures: u64,
    /// Latencies.
    pub latency: Histogram,
    /// How much time the sum covers, in milliseconds.
    pub covered_ms: u64,
}

impl RecentTotals {
    /// Adds another process of the same pod; the covered time is the longer of the two.
    pub fn merge(&mut self, other: &Self) {
        self.hits = self.hits.saturating_add(other.hits);
        self.by_rule = self.by_rule.saturating_add(other.by_rule);
        self.failures = self.failures.saturating_add(other.failures);
        self.latency.merge(&other.latency);
        self.covered_ms = self.covered_ms.max(other.covered_ms);
    }
}

impl RecentMinutes {
    /// Takes its place in the quota, so that it may be kept; `None` if there is no room.
    pub fn keep(self, quota: &Arc<CountQuota>) -> Option<Self> {
        Some(Self { _place: Some(quota.acquire()?), ..self })
    }

    /// Adds counts, spread evenly over the time that they cover.
    pub fn add(&mut self, span: CountedSpan, golden: &GoldenMetrics) {
        let newest = span.to_ms / MINUTE_MS;
        // A clock that was far ahead and was corrected left slots that would stay the newest until
        // then.
        if self.slots.back().is_some_and(|slot| slot.minute > newest + MINUTES) {
            self.slots.clear();
        }
        let oldest_ms = newest.saturating_sub(MINUTES) * MINUTE_MS;
        let (mut at_ms, whole_ms) = (span.from_ms.max(oldest_ms), span.to_ms.saturating_sub(span.from_ms));
        if at_ms / MINUTE_MS == newest && at_ms == span.from_ms {
            return self.slot(newest).add(golden);
        }
        if whole_ms > LONG_MS {
            // One slot, so that a long report takes no more memory than a report of one second.
            let part = Fraction { from: at_ms - span.from_ms, to: whole_ms, of: whole_ms };
            return self.slot(newest).add(&part.metrics(golden));
        }
        while at_ms < span.to_ms {
            let end_ms = ((at_ms / MINUTE_MS + 1) * MINUTE_MS).min(span.to_ms);
            let part = Fraction { from: at_ms - span.from_ms, to: end_ms - span.from_ms, of: whole_ms };
            self.slot(at_ms / MINUTE_MS).add(&part.metrics(golden));
            at_ms = end_ms;
        }
    }

    /// Adds the slots of another one.
    pub fn merge(&mut self, other: &Self) {
        for slot in &other.slots {
            self.slot(slot.minute).join(slot);
        }
    }

    /// Returns the sum of the recent minutes, for a process that runs since `since_ms`.
    pub fn recent(&self, since_ms: u64, now_ms: u64) -> RecentTotals {
        let first = (now_ms / MINUTE_MS).saturating_sub(MINUTES);
        let mut recent =
            RecentTotals { covered_ms: now_ms.saturating_sub(since_ms.max(first * MINUTE_MS)), ..RecentTotals::default() };
        for slot in self.slots.iter().filter(|slot| slot.minute >= first) {
            recent.hits = recent.hits.saturating_add(slot.hits);
            recent.by_rule = recent.by_rule.saturating_add(slot.by_rule);
            recent.failures = recent.failures.saturating_add(slot.failures);
            recent.latency.add_zeros(slot.zeros);
            slot.latency.iter().for_each(|(index, count)| recent.latency.add(*index, *count));
        }
        recent
    }

    /// Bytes in memory, at least.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.slots.iter().map(|slot| size_of::<MinuteSlot>() + size_of_val(&*slot.latency)).sum::<usize>()
    }

    /// Returns whether nothing was counted recently, so that its place can be released.
    pub fn is_expired(&self, now_ms: u64) -> bool {
        self.slots.back().is_none_or(|slot| slot.minute + MINUTES < now_ms / MINUTE_MS)
    }

    /// Returns the slot of a minute; for a minute that is too old, the oldest slot.
    fn slot(&mut self, minute: u64) -> &mut MinuteSlot {
        let newest = self.slots.back().map_or(minute, |slot| slot.minute.max(minute));
        while self.slots.front().is_some_and(|slot| slot.minute + MINUTES < newest) {
            self.slots.pop_front();
        }
        let minute = minute.max(newest.saturating_sub(MINUTES));
        let at = self.slots.partition_point(|slot| slot.minute < minute);
        if self.slots.get(at).is_none_or(|slot| slot.minute != minute) {
            if self.slots.is_empty() {
                // Most endpoints of most pods are quiet, and have one slot.
                self.slots.reserve_exact(1);
            }
            self.slots.insert(at, MinuteSlot { minute, ..MinuteSlot::default() });
        }
        &mut self.slots[at]
    }
}

impl MinuteSlot {
    fn add(&mut self, golden: &GoldenMetrics) {
        self.hits = self.hits.saturating_add(golden.hits);
        self.by_rule = self.by_rule.saturating_add(golden.by_rule);
        self.failures = self.failures.saturating_add(golden.failures());
        self.zeros = self.zeros.saturating_add(golden.latency.zeros());
        self.timed(golden.latency.buckets());
    }

    fn join(&mut self, other: &Self) {
        self.hits = self.hits.saturating_add(other.hits);
        self.by_rule = self.by_rule.saturating_add(other.by_rule);
        self.failures = self.failures.saturating_add(other.failures);
        self.zeros = self.zeros.saturating_add(other.zeros);
        self.timed(other.latency.iter().copied());
    }

    /// Adds buckets; both lists are sorted by index.
    fn timed(&mut self, buckets: impl Iterator<Item = (i32, u64)>) {
        if self.latency.is_empty() {
            self.latency.extend(buckets);
            return self.latency.shrink_to_fit();
        }
        let mut at = 0;
        for (index, count) in buckets {
            at += self.latency[at..].iter().take_while(|(known, _)| *known < index).count();
            match self.latency.get_mut(at) {
                Some((known, sum)) if *known == index => *sum = sum.saturating_add(count),
                _ => self.latency.insert(at, (index, count)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: u64 = 3_600_000;

    fn golden(hits: u64, us: u64) -> GoldenMetrics {
        let mut golden = GoldenMetrics::default();
        (golden.hits, golden.failed) = (hits, hits / 10);
        (0..hits).for_each(|_| golden.latency.record(us));
        golden
    }

    fn lately() -> RecentMinutes {
        RecentMinutes::default()
    }

    #[test]
    fn the_last_minutes_are_remembered_and_no_more() {
        let mut lately = lately();
        for minute in 0..20 {
            let at_ms = HOUR_MS + minute * MINUTE_MS + 500;
            lately.add(CountedSpan { from_ms: at_ms, to_ms: at_ms + 1000 }, &golden(10, 5000));
        }
        let now_ms = HOUR_MS + 19 * MINUTE_MS + 30_000;
        let recent = lately.recent(0, now_ms);
        assert_eq!((recent.hits, recent.failures, recent.latency.count()), (60, 6, 60));
        assert_eq!((recent.covered_ms, lately.slots.len()), (5 * MINUTE_MS + 30_000, 6));
        assert_eq!(lately.recent(now_ms - 7000, now_ms).covered_ms, 7000, "a process that has just begun");
        assert!(!lately.is_expired(now_ms) && lately.is_expired(now_ms + 6 * MINUTE_MS));
        assert_eq!(lately.recent(0, now_ms + 6 * MINUTE_MS).hits, 0);
    }

    #[test]
    fn counts_of_a_long_time_are_divided_over_it() {
        let mut lately = lately();
        lately.add(CountedSpan { from_ms: HOUR_MS, to_ms: 2 * HOUR_MS }, &golden(6000, 5000));
        assert_eq!(lately.recent(0, 2 * HOUR_MS).hits, 500, "five minutes of an hour");
    }

    #[test]
    fn a_clock_that_was_far_ahead_and_is_set_right_hides_nothing() {
        let mut lately = lately();
        for hour in [9, 1] {
            lately.add(CountedSpan { from_ms: hour * HOUR_MS, to_ms: hour * HOUR_MS }, &golden(hour, 5000));
        }
        assert_eq!(lately.recent(0, HOUR_MS).hits, 1);
    }

    #[test]
    fn two_add_up_and_a_place_is_given_back() {
        let room = CountQuota::new(RECENT_PAIRS_MAX);
        let (mut one, mut other) = (RecentMinutes::default().keep(&room).unwrap(), RecentMinutes::default().keep(&room).unwrap());
        one.add(CountedSpan { from_ms: HOUR_MS, to_ms: HOUR_MS }, &golden(10, 5000));
        other.add(CountedSpan { from_ms: HOUR_MS, to_ms: HOUR_MS }, &golden(10, 90_000));
        one.merge(&other);
        assert_eq!(one.recent(0, HOUR_MS).latency.count(), 20);
        drop(other);
        assert_eq!(room.in_use(), 1);
        let held: Vec<_> = (1..RECENT_PAIRS_MAX).map(|_| RecentMinutes::default().keep(&room)).collect();
        assert!(held.iter().all(Option::is_some) && RecentMinutes::default().keep(&room).is_none());
    }
}
