//! Who has called an endpoint, and how often: a bounded table that loses no hit.

use core::net::{IpAddr, Ipv6Addr};

/// Callers told apart per endpoint of a pod; all others share one row. A pod is called by a handful of services with a few
/// pods each, and 32 rows of 40 bytes are little enough for every endpoint of every pod.
pub const CALLERS_MAX: usize = 32;

/// A caller that has been silent for so long makes room for another once the table is full, and is counted among the
/// others. Pods are replaced every day, and those of last week must not keep out those of today.
pub const STALE_MS: u64 = 60 * 60 * 1000;

/// The callers of one endpoint.
///
/// Adding to it is addition, so its sum is that of everything that was ever added; only who is told apart depends on the
/// order: whoever comes first. So a stranger with a million addresses neither grows it nor drives out anybody who calls.
#[derive(Debug, Clone, Default)]
pub struct Callers {
    named: Vec<Caller>,
    others: Calls,
    /// Where the newest caller was found, which is often that of the next call.
    newest: usize,
}

/// One address, and what came from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// IPv4 as it is mapped into IPv6, so that one caller is one row however it came.
    address: Ipv6Addr,
    calls: Calls,
}

/// What came from one caller, or from several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Calls {
    /// Requests.
    pub hits: u64,
    /// Of those, failed by the service or by Sitio.
    pub failures: u64,
    /// When the newest came, milliseconds since the Unix epoch.
    pub last_ms: u64,
}

/// Under which row something was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row {
    /// The caller's own.
    Named,
    /// The one that the others share.
    Others,
}

impl Callers {
    /// Adds what came from an address; `None` if it is not known.
    #[inline]
    pub fn add(&mut self, address: Option<IpAddr>, calls: Calls) -> Row {
        let Some(address) = address.map(mapped) else {
            self.others.add(calls);
            return Row::Others;
        };
        match self.named.get_mut(self.newest) {
            Some(newest) if newest.address == address => newest.calls.add(calls),
            _ => return self.add_elsewhere(address, calls),
        }
        Row::Named
    }

    /// Adds another table.
    pub fn merge(&mut self, other: &Self) {
        for (address, calls) in other.named() {
            self.add(Some(address), calls);
        }
        self.others.add(other.others);
    }

    /// Takes out what was added since the last time, and goes on telling the same callers apart.
    ///
    /// Nothing that is kept asks the allocator again.
    #[must_use]
    pub fn take(&mut self) -> Self {
        let named = self.named.iter().filter(|caller| caller.calls.hits > 0).copied().collect();
        for caller in &mut self.named {
            caller.calls = Calls { last_ms: caller.calls.last_ms, ..Calls::default() };
        }
        Self { named, others: std::mem::take(&mut self.others), newest: 0 }
    }

    /// What this table says beyond an older one of the same callers.
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

    /// Each caller that is told apart, in no particular order.
    pub fn named(&self) -> impl Iterator<Item = (IpAddr, Calls)> {
        self.named.iter().map(|caller| (caller.address.to_canonical(), caller.calls))
    }

    /// All others together.
    pub fn others(&self) -> Calls {
        self.others
    }

    /// Everybody together.
    pub fn sum(&self) -> Calls {
        self.named.iter().fold(self.others, |sum, caller| sum.and(caller.calls))
    }

    /// Whether nothing was ever added.
    pub fn is_empty(&self) -> bool {
        self.named.is_empty() && self.others == Calls::default()
    }

    /// No time is later than this one.
    pub fn not_after(&mut self, now_ms: u64) {
        let calls = self.named.iter_mut().map(|caller| &mut caller.calls).chain([&mut self.others]);
        calls.for_each(|calls| calls.last_ms = calls.last_ms.min(now_ms));
    }

    /// Moves every time, as from one clock to another that differs by so much. A row without calls has no time.
    pub fn shift(&mut self, by_ms: i64) {
        let calls = self.named.iter_mut().map(|caller| &mut caller.calls).chain([&mut self.others]);
        for calls in calls.filter(|calls| calls.hits > 0) {
            calls.last_ms = calls.last_ms.saturating_add_signed(by_ms);
        }
    }

    /// Adds what came from an address that is not the newest one's.
    fn add_elsewhere(&mut self, address: Ipv6Addr, calls: Calls) -> Row {
        if let Some(at) = self.named.iter().position(|caller| caller.address == address) {
            self.newest = at;
            self.named[at].calls.add(calls);
            return Row::Named;
        }
        if self.named.len() < CALLERS_MAX {
            self.newest = self.named.len();
            self.named.push(Caller { address, calls });
            return Row::Named;
        }
        let Some(stalest) = self.named.iter_mut().min_by_key(|caller| caller.calls.last_ms) else { return Row::Others };
        if stalest.calls.last_ms.saturating_add(STALE_MS) > calls.last_ms {
            self.others.add(calls);
            return Row::Others;
        }
        self.others.add(stalest.calls);
        *stalest = Caller { address, calls };
        Row::Named
    }
}

/// Two tables are the same if they tell the same of the same callers.
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
    /// One request.
    pub fn one(started_ms: u64, has_failed: bool) -> Self {
        Self { hits: 1, failures: u64::from(has_failed), last_ms: started_ms }
    }

    /// Adds more of them. A sum that no honest pod can reach stays at its end instead of wrapping.
    #[inline]
    pub fn add(&mut self, more: Self) {
        self.hits = self.hits.saturating_add(more.hits);
        self.failures = self.failures.saturating_add(more.failures);
        self.last_ms = self.last_ms.max(more.last_ms);
    }

    /// What there is beyond what was known.
    fn since(self, known: Self) -> Self {
        let (hits, failures) = (self.hits.saturating_sub(known.hits), self.failures.saturating_sub(known.failures));
        Self { hits, failures, last_ms: if hits > 0 { self.last_ms } else { 0 } }
    }

    /// Both together.
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
