//! Limits how many of something each address may hold, so that one address cannot take the room of all others.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Counts what each address holds. Cheap to clone: clones share state.
#[derive(Debug, Clone, Default)]
pub struct AddressLimiter(Arc<Table>);

type Table = Mutex<HashMap<IpAddr, Arc<HeldByAddress>>>;

/// What one address holds.
#[derive(Debug)]
struct HeldByAddress {
    address: IpAddr,
    /// Changed under the lock of the table only.
    count: AtomicUsize,
    table: Weak<Table>,
}

/// One that counts for its address until this is dropped. There may be tens of thousands, so it is one pointer.
#[derive(Debug)]
pub struct AddressPermit(Arc<HeldByAddress>);

impl AddressLimiter {
    /// Counts one more for this address, if it holds fewer than `max`.
    pub fn acquire(&self, address: IpAddr, max: usize) -> Option<AddressPermit> {
        if max == 0 {
            return None;
        }
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let nothing = || Arc::new(HeldByAddress { address, count: AtomicUsize::new(0), table: Arc::downgrade(&self.0) });
        let held = table.entry(address).or_insert_with(nothing);
        let count = held.count.load(Ordering::Relaxed);
        (count < max).then(|| {
            held.count.store(count + 1, Ordering::Relaxed);
            AddressPermit(Arc::clone(held))
        })
    }
}

impl Drop for AddressPermit {
    fn drop(&mut self) {
        let Some(table) = self.0.table.upgrade() else { return };
        let mut table = table.lock().unwrap_or_else(PoisonError::into_inner);
        let left = self.0.count.load(Ordering::Relaxed) - 1;
        self.0.count.store(left, Ordering::Relaxed);
        // An address that holds nothing is removed, so that clients cannot fill the table.
        if left == 0 {
            table.remove(&self.0.address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_gets_no_more_than_its_limit_and_others_are_not_affected() {
        let limiter = AddressLimiter::default();
        let (one, two) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        let mut held = vec![limiter.acquire(one, 2).unwrap(), limiter.acquire(one, 2).unwrap()];
        assert!(limiter.acquire(one, 2).is_none());
        assert!(limiter.acquire(two, 2).is_some());
        held.pop();
        assert!(limiter.acquire(one, 2).is_some());
        held.clear();
        assert!(limiter.acquire(one, 0).is_none());
        assert!(limiter.0.lock().unwrap().is_empty(), "no entry stays behind");
    }
}
