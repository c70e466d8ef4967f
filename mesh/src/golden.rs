//! The golden metrics of an endpoint: hits, latency, status and bytes; merging is addition.

use crate::histogram::Histogram;

/// Status codes counted separately per endpoint. A service uses a dozen; the rest is counted under 0.
pub const STATUSES_MAX: usize = 64;

/// The largest number that one message may carry in any field: 16 minutes of a petabit a second in
/// bytes. No real value is larger, and sums of sums stay far below the limit of 64 bits.
const PLAUSIBLE_MAX: u64 = 1 << 50;

/// The status of an exchange whose downstream left before there was a response.
pub const CLIENT_GONE: u16 = 499;

/// Everything counted for one endpoint over some span of time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GoldenMetrics {
    /// Exchanges, including those that a rule answered.
    pub hits: u64,
    /// Exchanges that a rule answered instead of the service.
    pub by_rule: u64,
    /// Exchanges that the service answered with a 5xx, or not at all. A rule's own 503 is not a
    /// failure of the service.
    pub failed: u64,
    /// Exchanges that Sitio itself failed: a decorator's 5xx, a limit of the sidecar, the end of a drain.
    pub failed_by_sitio: u64,
    /// Sum of the latencies, in microseconds. Exchanges answered by a rule, and those whose client
    /// left, are not timed.
    pub total_us: u64,
    /// The shortest latency, in microseconds; `None` if nothing was timed.
    pub min_us: Option<u64>,
    /// The longest latency, in microseconds.
    pub max_us: u64,
    /// Sum of the times to the response's first byte, in microseconds, over the timed exchanges.
    pub first_byte_total_us: u64,
    /// The longest time to a response's first byte, in microseconds.
    pub first_byte_max_us: u64,
    /// Bytes of request bodies.
    pub bytes_in: u64,
    /// Bytes of the largest request body.
    pub bytes_in_max: u64,
    /// Bytes of response bodies.
    pub bytes_out: u64,
    /// Bytes of the largest response body.
    pub bytes_out_max: u64,
    /// Latencies of the exchanges that the service answered.
    pub latency: Histogram,
    statuses: Vec<(u16, u64)>,
}

impl GoldenMetrics {
    /// Counts the latency of one exchange and its time to the first byte, in microseconds.
    #[inline]
    pub fn time(&mut self, took_us: u64, first_byte_us: u64) {
        let first_byte_us = first_byte_us.min(took_us);
        self.total_us = self.total_us.saturating_add(took_us);
        self.min_us = Some(self.min_us.map_or(took_us, |min_us| min_us.min(took_us)));
        self.max_us = self.max_us.max(took_us);
        self.first_byte_total_us = self.first_byte_total_us.saturating_add(first_byte_us);
        self.first_byte_max_us = self.first_byte_max_us.max(first_byte_us);
        self.latency.record(took_us);
    }

    /// Counts the bytes of both bodies of one exchange.
    #[inline]
    pub fn carry(&mut self, bytes_in: u64, bytes_out: u64) {
        self.bytes_in = self.bytes_in.saturating_add(bytes_in);
        self.bytes_in_max = self.bytes_in_max.max(bytes_in);
        self.bytes_out = self.bytes_out.saturating_add(bytes_out);
        self.bytes_out_max = self.bytes_out_max.max(bytes_out);
    }

    /// Counts `count` responses with `status`.
    pub fn add_status(&mut self, status: u16, count: u64) {
        match self.statuses.binary_search_by_key(&status, |(code, _)| *code) {
            Ok(at) => self.statuses[at].1 = self.statuses[at].1.saturating_add(count),
            Err(at) if self.statuses.len() < STATUSES_MAX => {
                if self.statuses.is_empty() {
                    // Most endpoints answer with one status.
                    self.statuses.reserve_exact(1);
                }
                self.statuses.insert(at, (status, count));
            }
            // Full: further codes share the code 0, which may exceed the limit by one entry.
            Err(_) if self.statuses[0].0 == 0 => self.statuses[0].1 = self.statuses[0].1.saturating_add(count),
            Err(_) => self.statuses.insert(0, (0, count)),
        }
    }

    /// The status codes seen, lowest first, with their counts.
    pub fn statuses(&self) -> &[(u16, u64)] {
        &self.statuses
    }

    /// The number of responses with a status of this class, 5 for 5xx.
    pub fn class(&self, hundreds: u16) -> u64 {
        self.statuses.iter().filter(|(code, _)| class_of(*code) == hundreds).fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// Exchanges that no rule answered: those that reached the service, or failed on the way.
    pub fn served(&self) -> u64 {
        self.hits.saturating_sub(self.by_rule)
    }

    /// Exchanges that failed, in the service or in Sitio. A client that leaves is not a failure.
    pub fn failures(&self) -> u64 {
        self.failed.saturating_add(self.failed_by_sitio)
    }

    /// Exchanges whose client left before it had the whole response.
    pub fn client_gone(&self) -> u64 {
        self.statuses.iter().find(|(code, _)| *code == CLIENT_GONE).map_or(0, |(_, count)| *count)
    }

    /// Adds the counts of `other`. A sum that no honest pod can reach saturates instead of wrapping.
    pub fn merge(&mut self, other: &Self) {
        self.hits = self.hits.saturating_add(other.hits);
        self.by_rule = self.by_rule.saturating_add(other.by_rule);
        self.failed = self.failed.saturating_add(other.failed);
        self.failed_by_sitio = self.failed_by_sitio.saturating_add(other.failed_by_sitio);
        self.total_us = self.total_us.saturating_add(other.total_us);
        self.min_us = self.min_us.into_iter().chain(other.min_us).min();
        self.max_us = self.max_us.max(other.max_us);
        self.first_byte_total_us = self.first_byte_total_us.saturating_add(other.first_byte_total_us);
        self.first_byte_max_us = self.first_byte_max_us.max(other.first_byte_max_us);
        self.bytes_in = self.bytes_in.saturating_add(other.bytes_in);
        self.bytes_in_max = self.bytes_in_max.max(other.bytes_in_max);
        self.bytes_out = self.bytes_out.saturating_add(other.bytes_out);
        self.bytes_out_max = self.bytes_out_max.max(other.bytes_out_max);
        self.latency.merge(&other.latency);
        self.merge_statuses(&other.statuses);
    }

    fn merge_statuses(&mut self, more: &[(u16, u64)]) {
        // Fast path: the control plane merges every row of every frame, and most rows have the same codes each time.
        let are_same = self.statuses.len() == more.len() && self.statuses.iter().zip(more).all(|(one, other)| one.0 == other.0);
        if are_same {
            self.statuses.iter_mut().zip(more).for_each(|(sum, (_, count))| sum.1 = sum.1.saturating_add(*count));
            return;
        }
        for (status, count) in more {
            self.add_status(*status, *count);
        }
    }

    /// Returns what was counted since `earlier`, an earlier state of the same metrics.
    ///
    /// Maxima and minima cannot be subtracted, so the result has those of the later state.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut since = Self {
            hits: self.hits.saturating_sub(earlier.hits),
            by_rule: self.by_rule.saturating_sub(earlier.by_rule),
            failed: self.failed.saturating_sub(earlier.failed),
            failed_by_sitio: self.failed_by_sitio.saturating_sub(earlier.failed_by_sitio),
            total_us: self.total_us.saturating_sub(earlier.total_us),
            min_us: self.min_us,
            max_us: self.max_us,
            first_byte_total_us: self.first_byte_total_us.saturating_sub(earlier.first_byte_total_us),
            first_byte_max_us: self.first_byte_max_us,
            bytes_in: self.bytes_in.saturating_sub(earlier.bytes_in),
            bytes_in_max: self.bytes_in_max,
            bytes_out: self.bytes_out.saturating_sub(earlier.bytes_out),
            bytes_out_max: self.bytes_out_max,
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

    /// Returns why the numbers cannot be true: one is too large, or two contradict each other.
    ///
    /// Metrics may be a difference ([`Self::since`]), whose maxima cover the whole time. The checks allow for that.
    pub fn contradiction(&self) -> Option<&'static str> {
        let (timed, statuses) =
            (self.latency.count(), self.statuses.iter().fold(0, |sum: u64, (_, count)| sum.saturating_add(*count)));
        // Statuses over the limit share the code 0, and a difference of two such sums is not reliable.
        let are_statuses_known = self.statuses.first().is_none_or(|(code, _)| *code != 0);
        let exceeds = |sum: u64, max: u64, count: u64| u128::from(sum) > u128::from(max) * u128::from(count);
        let contradictions = [
            (!self.is_small_enough(), "a number is over 2^50"),
            (self.by_rule > self.hits, "more requests are answered by a rule than there are"),
            (self.failures() > self.served(), "more requests fail than the service and the sidecar were given"),
            (timed > self.served(), "more requests are timed than the service and the sidecar were given"),
            (are_statuses_known && statuses > self.hits, "there are more statuses than requests"),
            (exceeds(self.total_us, self.max_us, timed), "the sum of latencies is over the longest for each"),
            (timed > 0 && self.min_us.is_some_and(|min_us| min_us > self.max_us), "the shortest latency is over the longest"),
            (
                timed > 0 && self.min_us.is_some_and(|min_us| exceeds(min_us, self.total_us, 1)),
                "the shortest latency is over their sum",
            ),
            (self.first_byte_total_us > self.total_us, "first bytes come after the last"),
            (
                self.bytes_in_max > 0 && exceeds(self.bytes_in, self.bytes_in_max, self.hits),
                "more bytes are received than the largest body for each",
            ),
            (
                self.bytes_out_max > 0 && exceeds(self.bytes_out, self.bytes_out_max, self.hits),
                "more bytes are sent than the largest body for each",
            ),
        ];
        contradictions.into_iter().find(|(is_contradiction, _)| *is_contradiction).map(|(_, why)| why)
    }

    /// Whether a maximum is over its sum. Valid only for counted metrics, not for a difference.
    pub fn has_maximum_over_sum(&self) -> bool {
        self.bytes_in_max > self.bytes_in || self.bytes_out_max > self.bytes_out || self.max_us > self.total_us
    }

    fn is_small_enough(&self) -> bool {
        let Self { hits, by_rule, failed, failed_by_sitio, total_us, max_us, bytes_in, bytes_out, .. } = *self;
        let largest = [self.bytes_in_max, self.bytes_out_max, self.min_us.unwrap_or(0)];
        let sums = [hits, by_rule, failed, failed_by_sitio, total_us, max_us, bytes_in, bytes_out];
        let statuses = self.statuses.iter().map(|(_, count)| *count);
        let buckets = self.latency.buckets().map(|(_, count)| count);
        let each = sums.into_iter().chain(largest).chain(statuses).chain(buckets).chain([self.latency.zeros()]);
        each.fold(0_u64, u64::max) <= PLAUSIBLE_MAX
    }

    /// Sets all counts to zero and keeps the histogram's buckets, because the next counts are likely to be similar.
    pub fn clear(&mut self) {
        self.latency.clear();
        self.forget();
    }

    /// Removes all counts and keeps only the allocated memory, because the next counts may be of another endpoint.
    pub fn renew(&mut self) {
        self.latency.renew();
        self.forget();
    }

    fn forget(&mut self) {
        self.statuses.clear();
        *self =
            Self { latency: std::mem::take(&mut self.latency), statuses: std::mem::take(&mut self.statuses), ..Self::default() };
    }

    /// Minimum memory, in bytes.
    pub fn weight(&self) -> usize {
        size_of::<Self>() + size_of_val(&*self.statuses) + self.latency.weight()
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.hits == 0 && self.bytes_in == 0 && self.bytes_out == 0
    }

    /// The latency in microseconds below which the share `q` (0 to 1) of the timed exchanges is,
    /// within 4.4 %; `None` if there are none. The result is clamped to the shortest and the
    /// longest latency, which are exact.
    pub fn quantile_us(&self, q: f64) -> Option<f64> {
        self.latency.quantile(q).map(|us| us.clamp(self.min_us.unwrap_or(0).min(self.max_us) as f64, self.max_us as f64))
    }

    /// The mean latency in microseconds: the total over the hits that no rule answered; `None` if there are none.
    pub fn mean_us(&self) -> Option<f64> {
        (self.served() > 0).then(|| self.total_us as f64 / self.served() as f64)
    }

    /// The mean time to a response's first byte in microseconds, over the timed exchanges; `None` if there are none.
    pub fn first_byte_mean_us(&self) -> Option<f64> {
        let timed = self.latency.count();
        (timed > 0).then(|| self.first_byte_total_us as f64 / timed as f64)
    }
}

/// The class of a status, 5 for 5xx. A status of 600 or more counts as a 5xx (RFC 9110, section 15).
pub const fn class_of(status: u16) -> u16 {
    if status < 600 { status / 100 } else { 5 }
}

#[cfg(test)]
mod tests;
