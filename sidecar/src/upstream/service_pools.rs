//! The connections of one worker to all addresses: the service, and those to which a split sends requests.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::target::ServiceAddr;
use crate::upstream::UpstreamPool;
use crate::upstream::http2::Http2Pool;

/// How long an address is remembered that no request was sent to. Its idle connections are closed earlier.
const UNUSED_MAX: Duration = Duration::from_secs(60);

/// The connections to one address.
pub struct ServicePools {
    /// Those over HTTP/1, and new ones.
    pub http1: UpstreamPool,
    /// Those over HTTP/2.
    pub http2: Http2Pool,
    used: Cell<Instant>,
}

/// The connections to other addresses than the service's. Rules name them, so there are as many as rules at most.
#[derive(Default)]
pub struct OtherServices(RefCell<HashMap<ServiceAddr, Rc<ServicePools>>>);

impl ServicePools {
    /// No connections yet.
    pub fn new(address: ServiceAddr) -> Self {
        Self { http1: UpstreamPool::new(address), http2: Http2Pool::default(), used: Cell::new(Instant::now()) }
    }
}

impl OtherServices {
    /// The connections to this address, from now on remembered.
    pub fn at(&self, address: &ServiceAddr, now: Instant) -> Rc<ServicePools> {
        let mut known = self.0.borrow_mut();
        let pools = match known.get(address) {
            Some(pools) => Rc::clone(pools),
            None => Rc::clone(known.entry(address.clone()).or_insert_with(|| Rc::new(ServicePools::new(address.clone())))),
        };
        pools.used.set(now);
        pools
    }

    /// Forgets addresses that were not used for long, and returns the others.
    pub fn in_use(&self, now: Instant) -> Vec<Rc<ServicePools>> {
        let mut known = self.0.borrow_mut();
        known.retain(|_, pools| now.saturating_duration_since(pools.used.get()) < UNUSED_MAX);
        known.values().cloned().collect()
    }
}
