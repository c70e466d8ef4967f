//! The pinned route patterns of each service, by which the timeline names endpoints.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dashmap::DashMap;
use mesh::routes::route_patterns::Pins;

use crate::model::reporter::Reporter;

/// Namespace and name of a service.
pub(super) type Service = (String, String);

/// The pins that the timeline uses to name endpoints.
#[derive(Debug, Default)]
pub struct PinnedPatterns {
    /// The revision of the rules with these pins, plus one; 0 before the first.
    revision: AtomicU64,
    /// Grows whenever the names of endpoints have changed.
    namings: AtomicU64,
    /// Held while the pins change: only one caller merges at a time, so that no two series are merged into each other.
    changing: Mutex<()>,
    services: DashMap<Service, Arc<Pins>>,
}

impl PinnedPatterns {
    /// Returns the pins of a service.
    pub fn of_service(&self, reporter: Reporter<'_>) -> Arc<Pins> {
        if self.services.is_empty() {
            return Arc::default();
        }
        let name = (reporter.namespace.to_owned(), reporter.service.to_owned());
        self.services.get(&name).map(|pins| Arc::clone(&pins)).unwrap_or_default()
    }

    /// Changes whenever endpoints get other names.
    pub fn naming_revision(&self) -> u64 {
        self.namings.load(Ordering::Acquire)
    }

    /// Begins a change to the pins of this revision; `None` if those of a later one are in use.
    pub(super) fn begin_change(&self, revision: u64) -> Option<MutexGuard<'_, ()>> {
        let is_old = || self.revision.load(Ordering::Acquire) > revision;
        if is_old() {
            return None;
        }
        let guard = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        (!is_old()).then_some(guard)
    }

    /// Returns the pins in use that differ from the next ones of their service.
    pub(super) fn differing(&self, next: &HashMap<Service, Arc<Pins>>) -> HashMap<Service, Arc<Pins>> {
        let in_use = self.services.iter().map(|service| (service.key().clone(), Arc::clone(service.value())));
        in_use.filter(|(name, pins)| next.get(name).is_none_or(|next| *next != *pins)).collect()
    }

    /// Replaces the pins of all services. Calls `changed` with each service that gets other pins. A service with the same
    /// pins keeps them, so that its process counts are not searched again. Returns how many services have changed.
    pub(super) fn replace(&self, next: HashMap<Service, Arc<Pins>>, mut changed: impl FnMut(&Service, &Pins)) -> u64 {
        let before = self.services.len();
        self.services.retain(|name, _| next.contains_key(name));
        let mut services = (before - self.services.len()) as u64;
        for (name, pins) in next {
            if self.services.get(&name).is_some_and(|known| **known == *pins) {
                continue;
            }
            services += 1;
            self.services.insert(name.clone(), Arc::clone(&pins));
            changed(&name, &pins);
        }
        services
    }

    /// Completes the change to the pins of this revision, which has changed so many services.
    pub(super) fn end_change(&self, revision: u64, services: u64) {
        self.namings.fetch_add(services, Ordering::Release);
        self.revision.store(revision + 1, Ordering::Release);
    }
}
