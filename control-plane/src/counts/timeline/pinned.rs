//! Pinned route patterns per service: merges the series that a pin aliases, and restores them when the pin is removed.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use dashmap::DashMap;
use mesh::routes::route_patterns::Pins;

use crate::counts::timeline::Timeline;
use crate::counts::timeline::series::Series;
use crate::model::reporter::Reporter;
use crate::model::rules_state::RulesState;
use crate::store::metrics_store::StoredSeries;

/// Namespace and name of a service.
type Service = (String, String);

/// The pins that the timeline uses to name endpoints.
#[derive(Debug, Default)]
pub struct PinnedPatterns {
    /// The revision of the rules with these pins, plus one; 0 before the first.
    revision: AtomicU64,
    /// How often the names of endpoints have changed.
    namings: AtomicU64,
    /// Only one caller merges at a time, so that no two series are merged into each other.
    merging: Mutex<()>,
    services: DashMap<Service, Arc<Pins>>,
}

/// Stored counts under a name that a pin changed, and does not change any more.
struct Leaving {
    stored: StoredSeries,
    /// The series that counts it now.
    from: Arc<Series>,
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
}

impl Timeline {
    /// Names endpoints by the pins of these rules from now on, and merges series that get the same
    /// name. Counts that a removed pin had merged, and that were on disk before, return to their
    /// own name, as after a restart. `on_disk` reads them. Call it before the rules are published.
    pub fn apply_pins(&self, rules: &RulesState, on_disk: impl FnOnce() -> Vec<StoredSeries>) {
        if self.pins.revision.load(Ordering::Acquire) > rules.revision {
            return;
        }
        let _one_at_a_time = self.pins.merging.lock().unwrap_or_else(PoisonError::into_inner);
        if self.pins.revision.load(Ordering::Acquire) > rules.revision {
            return;
        }
        let pinned = rules.services().map(|(name, set)| (name.clone(), set.pins));
        let pinned: HashMap<_, _> = pinned.filter(|(_, pins)| !pins.is_empty()).collect();
        // Read before the names change: since the merge, nothing was written under the names that
        // come back.
        let leaving = self.find_leaving(&pinned, on_disk);
        let known = self.pins.services.len();
        self.pins.services.retain(|name, _| pinned.contains_key(name));
        let mut changed = self.pins.services.len() < known;
        for (name, pins) in pinned {
            // A service with the same pins keeps them, so that its process counts are not searched
            // again.
            if self.pins.services.get(&name).is_some_and(|known| **known == *pins) {
                continue;
            }
            changed = true;
            self.pins.services.insert(name.clone(), Arc::clone(&pins));
            self.merge_renamed(Reporter { namespace: &name.0, service: &name.1 }, &pins);
        }
        for leaving in leaving {
            self.restore_own_name(leaving);
        }
        self.pins.namings.fetch_add(u64::from(changed), Ordering::Release);
        self.pins.revision.store(rules.revision + 1, Ordering::Release);
    }

    /// Changes whenever endpoints get other names. Data that was read from disk under an older
    /// value is then invalid.
    pub fn naming_revision(&self) -> u64 {
        self.pins.namings.load(Ordering::Acquire)
    }

    fn merge_renamed(&self, reporter: Reporter<'_>, pins: &Pins) {
        let endpoints = self.endpoints(reporter);
        let names: Vec<_> = endpoints.iter().map(|series| series.key().clone()).collect();
        for old in names.iter().filter(|old| pins.rename(old).is_some()) {
            let Some((_, series)) = endpoints.remove(old) else { continue };
            self.series.fetch_sub(1, Ordering::Relaxed);
            series.merge_into(&self.series(reporter, old));
        }
    }

    /// Stored counts under names that the current pins change, and the new pins do not change, or
    /// change differently.
    fn find_leaving(&self, pinned: &HashMap<Service, Arc<Pins>>, on_disk: impl FnOnce() -> Vec<StoredSeries>) -> Vec<Leaving> {
        let before = self.pins.services.iter().map(|service| (service.key().clone(), Arc::clone(service.value())));
        let before: HashMap<_, _> =
            before.filter(|(name, pins)| pinned.get(name).is_none_or(|to_come| *to_come != *pins)).collect();
        if before.is_empty() {
            return Vec::new();
        }
        let leaving = |kept: StoredSeries| {
            let service = (kept.name.namespace.clone(), kept.name.service.clone());
            let now = before.get(&service)?.rename(&kept.name.endpoint)?;
            let to_come = pinned.get(&service).and_then(|pins| pins.rename(&kept.name.endpoint));
            let reporter = Reporter { namespace: &service.0, service: &service.1 };
            let from = self.endpoints(reporter).get(&now).map(|series| Arc::clone(&series))?;
            (to_come.as_ref() != Some(&now)).then_some(Leaving { stored: kept, from })
        };
        on_disk().into_iter().filter_map(leaving).collect()
    }

    fn restore_own_name(&self, Leaving { stored: kept, from }: Leaving) {
        let (from, to) = (from.canonical(), self.stored_series(&kept.name));
        if Arc::ptr_eq(&from, &to) {
            return;
        }
        from.subtract_lost(&kept.total);
        to.restore_total(kept.seen, &kept.total);
        if kept.is_file {
            to.mark_as_file();
        }
    }
}
