//! Limits the streams of each address, so that one address cannot take the room of all others.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Places by address, at most `max` for each. Cheap to clone: clones share their state.
#[derive(Debug, Clone)]
pub(super) struct Addresses {
    max: usize,
    taken: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// A place that is free again when this is dropped.
#[derive(Debug)]
pub(super) struct AddressSlot {
    addresses: Addresses,
    address: IpAddr,
}

impl Addresses {
    /// Allows `max` places for each address.
    pub(super) fn with_room_for(max: usize) -> Self {
        Self { max, taken: Arc::default() }
    }

    /// Takes a place for this address, unless it has taken all of its own.
    pub(super) fn place(&self, address: IpAddr) -> Option<AddressSlot> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(address).or_default();
        if *count >= self.max {
            return None;
        }
        *count += 1;
        Some(AddressSlot { addresses: self.clone(), address })
    }
}

impl Drop for AddressSlot {
    fn drop(&mut self) {
        let mut taken = self.addresses.taken.lock().unwrap_or_else(PoisonError::into_inner);
        // An address without a place is removed, so that clients cannot fill the table.
        if let Some(count) = taken.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_took_its_places_gets_no_more_and_the_others_do() {
        let addresses = Addresses::with_room_for(2);
        let (one, two) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        let mut places = vec![addresses.place(one).unwrap(), addresses.place(one).unwrap()];
        assert!(addresses.place(one).is_none());
        assert!(addresses.place(two).is_some());
        places.pop();
        assert!(addresses.place(one).is_some());
        places.clear();
        assert!(addresses.taken.lock().unwrap().is_empty());
    }
}
