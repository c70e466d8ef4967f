//! Counts the requests of each caller of an endpoint in a bounded table that loses no hit.

use core::net::{IpAddr, Ipv6Addr};

/// Callers with a row of their own, per endpoint of a pod; all others share one row. A handful of
/// services with a few pods each call a pod. 32 rows of 40 bytes are small enough for every
/// endpoint of every pod.
pub const CALLERS_MAX: usize = 32;

/// When the table is full, a caller that was silent for this long gives its row to a new caller,
/// and its counts move to the others. Pods are replaced every day, and the pods of last week must
/// not block those of today.
pub const STALE_MS: u64 = 60 * 60 * 1000;

/// The callers of one endpoint.
///
/// Adding is plain addition, so the sum is the sum of everything that was ever added. Only the
/// choice of named callers depends on the order: the first callers get the rows. So an attacker
/// with a million addresses neither grows the table nor displaces an active caller.
#[derive(Debug, Clone, Default)]
pub struct Callers {
    named: Vec<Caller>,
    others: Calls,
    /// Index of the last row that was found or added; the next call often comes from the same caller.
    newest: usize,
}

/// One address and its counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// An IPv4 address is mapped into IPv6, so that one caller is one row in either notation.
    address: Ipv6Addr,
    calls: Calls,
}

/// Counts of one caller, or of several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Calls {
    /// Requests.
    pub hits: u64,
    /// Requests that failed, in the service or in Sitio.
    pub failures: u64,
    /// Time of the newest request, milliseconds since the Unix epoch.
    pub last_ms: u64,
}

/// The row in which a request was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallerRow {
    /// The caller's own row.
    Named,
    /// The row that all other callers share.
    Others,
}

impl Callers {
    /// Adds the calls of an address; `None` if the address is not known.
    #[inline]
    pub fn add(&mut self, address: Option<IpAddr>, calls: Calls) -> CallerRow {
        let Some(address) = address.map(mapped) else {
            self.others.add(calls);
            return CallerRow::Others;
        };
        match self.named.get_mut(self.newest) {
            Some(newest) if newest.address == address => newest.calls.add(calls),
            _ => return self.add_elsewhere(address, calls),
        }
        CallerRow::Named
    }

    /// Adds another table.
    pub fn merge(&mut self, other: &Self) {
        for (address, calls) in other.named() {
            self.add(Some(address), calls);
        }
        self.others.add(other.others);
    }

    /// Returns what was added since the last call and keeps the rows of the callers.
    ///
    /// The table keeps its memory and needs no new allocation.
    #[must_use]
    pub fn take(&mut self) -> Self {
        let named = self.named.iter().filter(|caller| caller.calls.hits > 0).copied().collect();
        for caller in &mut self.named {
            caller.calls = Calls { last_ms: caller.calls.last_ms, ..Calls::default() };
        }
        Self { named, others: std::mem::take(&mut self.others), newest: 0 }
    }

    /// Returns what was added since `older`, an earlier state of the same table.
    #[must_use]
    pub fn since(&self, older: &Self) -> Self {
        let known = |address: Ipv6Addr| {
            let row = older.named.iter().find(|caller| caller.address == address);
            row.map_or(Calls::default(), |caller| caller.calls)
        };
        let news = |caller: &Caller| Caller { calls: caller.calls.since(known(caller.address)), ..*caller };
        let named = self.named.iter().map(news).filter(|caller| caller.calls.hits > 0).collect();
        Self { named, others: self.others.since(older.others), newest: 0 }
    }

    /// Each caller with a row of its own, in no particular order.
    pub fn named(&self) -> impl Iterator<Item = (IpAddr, Calls)> {
        self.named.iter().map(|caller| (caller.address.to_canonical(), caller.calls))
    }

    /// The sum of all callers without a row of their own.
    pub fn others(&self) -> Calls {
        self.others
    }

    /// The sum of all callers.
    pub fn sum(&self) -> Calls {
        self.named.iter().fold(self.others, |sum, caller| sum.and(caller.calls))
    }

    /// Whether nothing was ever added.
    pub fn is_empty(&self) -> bool {
        self.named.is_empty() && self.others == Calls::default()
    }

    /// Limits every time to at most `now_ms`.
    pub fn not_after(&mut self, now_ms: u64) {
        let calls = self.named.iter_mut().map(|caller| &mut caller.calls).chain([&mut self.others]);
        calls.for_each(|calls| calls.last_ms = calls.last_ms.min(now_ms));
    }

    /// Shifts every time by a clock offset. A row without calls has no time.
    pub fn shift(&mut self, by_ms: i64) {
        let calls = self.named.iter_mut().map(|caller| &mut caller.calls).chain([&mut self.others]);
        for calls in calls.filter(|calls| calls.hits > 0) {
            calls.last_ms = calls.last_ms.saturating_add_signed(by_ms);
        }
    }

    /// Adds the calls of an address that is not in the row of the newest caller.
    fn add_elsewhere(&mut self, address: Ipv6Addr, calls: Calls) -> CallerRow {
        if let Some(at) = self.named.iter().position(|caller| caller.address == address) {
            self.newest = at;
            self.named[at].calls.add(calls);
            return CallerRow::Named;
        }
        if self.named.len() < CALLERS_MAX {
            self.newest = self.named.len();
            self.named.push(Caller { address, calls });
            return CallerRow::Named;
        }
        let Some(stalest) = self.named.iter_mut().min_by_key(|caller| caller.calls.last_ms) else { return CallerRow::Others };
        if stalest.calls.last_ms.saturating_add(STALE_MS) > calls.last_ms {
            self.others.add(calls);
            return CallerRow::Others;
        }
        self.others.add(stalest.calls);
        *stalest = Caller { address, calls };
        CallerRow::Named
    }
}

/// Two tables are equal if they hold the same counts for the same callers, in any order.
impl PartialEq for Callers {
    fn eq(&self, other: &Self) -> bool {
        let sorted = |callers: &Self| {
            let mut named = callers.named.clone();
            named.sort_by_key(|caller| caller.address);
            named
        };
        self.others == other.others && sorted(self) == sorted(other)
    }
}

impl Eq for Callers {}

impl Calls {
    /// The counts of one request.
    pub fn one(started_ms: u64, has_failed: bool) -> Self {
        Self { hits: 1, failures: u64::from(has_failed), last_ms: started_ms }
    }

    /// Adds more calls. A sum that no honest pod can reach saturates instead of wrapping.
    #[inline]
    pub fn add(&mut self, more: Self) {
        self.hits = self.hits.saturating_add(more.hits);
        self.failures = self.failures.saturating_add(more.failures);
        self.last_ms = self.last_ms.max(more.last_ms);
    }

    /// Returns the difference to `known`, an earlier state.
    fn since(self, known: Self) -> Self {
        let (hits, failures) = (self.hits.saturating_sub(known.hits), self.failures.saturating_sub(known.failures));
        Self { hits, failures, last_ms: if hits > 0 { self.last_ms } else { 0 } }
    }

    /// Returns the sum of both.
    #[must_use]
    pub fn and(mut self, more: Self) -> Self {
        self.add(more);
        self
    }
}

fn mapped(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

#[cfg(test)]
mod tests;
