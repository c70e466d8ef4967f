//! Limits how many of something each address may hold, so that one address cannot take the room of all others.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Counts what each address holds. Cheap to clone: clones share state.
#[derive(Debug, Clone, Default)]
pub struct AddressLimiter(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One that counts for its address until this is dropped.
#[derive(Debug)]
pub struct AddressPermit {
    limiter: AddressLimiter,
    address: IpAddr,
}

impl AddressLimiter {
    /// Counts one more for this address, if it holds fewer than `max`.
    pub fn acquire(&self, address: IpAddr, max: usize) -> Option<AddressPermit> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.get(&address).copied().unwrap_or_default();
        if count >= max {
            return None;
        }
        held.insert(address, count + 1);
        Some(AddressPermit { limiter: self.clone(), address })
    }
}

impl Drop for AddressPermit {
    fn drop(&mut self) {
        let mut held = self.limiter.0.lock().unwrap_or_else(PoisonError::into_inner);
        // An address that holds nothing is removed, so that clients cannot fill the table.
        if let Some(count) = held.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.address);
            }
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
