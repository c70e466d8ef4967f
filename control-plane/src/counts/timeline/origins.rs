//! Counts the series that each address has created, so that one address cannot use up the series of all others.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Number of series by the address that created them. Cheap to clone: clones share state.
#[derive(Debug, Clone, Default)]
pub struct Origins(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// A series that counts for its address until this is dropped.
#[derive(Debug)]
pub struct OriginGuard {
    origins: Origins,
    address: IpAddr,
}

impl Origins {
    /// Counts a series for this address, if it has created fewer than `max`.
    pub fn admit(&self, address: IpAddr, max: usize) -> Option<OriginGuard> {
        let mut brought = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = brought.entry(address).or_default();
        if *count >= max {
            return None;
        }
        *count += 1;
        Some(OriginGuard { origins: self.clone(), address })
    }
}

impl Drop for OriginGuard {
    fn drop(&mut self) {
        let mut brought = self.origins.0.lock().unwrap_or_else(PoisonError::into_inner);
        // An address without series is removed, so that the table never has more entries than there
        // are series.
        if let Some(count) = brought.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                brought.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_share_and_gets_it_back() {
        let origins = Origins::default();
        let (one, other) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let held = [origins.admit(one, 2), origins.admit(one, 2)];
        assert!(held.iter().all(Option::is_some) && origins.admit(one, 2).is_none());
        assert!(origins.admit(other, 2).is_some());
        drop(held);
        assert!(origins.0.lock().unwrap().is_empty());
    }
}
