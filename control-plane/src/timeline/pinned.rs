//! The patterns that are pinned for each service, and the folding of what was counted before they were.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use dashmap::DashMap;
use mesh::routes::pins::Pins;

use crate::rules::state::RulesState;
use crate::timeline::{Reporter, Timeline};

/// The pins that the timeline names endpoints by.
#[derive(Debug, Default)]
pub struct Pinned {
    /// The revision of the rules that they are from, plus one; 0 before the first.
    revision: AtomicU64,
    /// One at a time folds, so that no two series are folded into each other.
    folding: Mutex<()>,
    services: DashMap<(String, String), Arc<Pins>>,
}

impl Pinned {
    /// The pins of a service.
    pub fn of(&self, reporter: Reporter<'_>) -> Arc<Pins> {
        if self.services.is_empty() {
            return Arc::default();
        }
        let name = (reporter.namespace.to_owned(), reporter.service.to_owned());
        self.services.get(&name).map(|pins| Arc::clone(&pins)).unwrap_or_default()
    }
}

impl Timeline {
    /// Names endpoints by the pins of these rules from now on, and folds together what they name alike.
    /// It must be called before anybody else hears of the rules.
    pub fn obey(&self, rules: &RulesState) {
        if self.pins.revision.load(Ordering::Acquire) > rules.revision {
            return;
        }
        let _one_at_a_time = self.pins.folding.lock().unwrap_or_else(PoisonError::into_inner);
        if self.pins.revision.load(Ordering::Acquire) > rules.revision {
            return;
        }
        let pinned = rules.services().map(|(name, set)| (name.clone(), set.pins));
        let pinned: std::collections::HashMap<_, _> = pinned.filter(|(_, pins)| !pins.is_empty()).collect();
        self.pins.services.retain(|name, _| pinned.contains_key(name));
        for (name, pins) in pinned {
            // A service whose pins are as they were keeps them, so that nobody looks through its pods' counts again.
            if self.pins.services.get(&name).is_some_and(|known| **known == *pins) {
                continue;
            }
            self.pins.services.insert(name.clone(), Arc::clone(&pins));
            self.fold(Reporter { namespace: &name.0, service: &name.1 }, &pins);
        }
        self.pins.revision.store(rules.revision + 1, Ordering::Release);
    }

    fn fold(&self, reporter: Reporter<'_>, pins: &Pins) {
        let endpoints = self.endpoints(reporter);
        let names: Vec<_> = endpoints.iter().map(|series| series.key().clone()).collect();
        for old in names.iter().filter(|old| pins.rename(old).is_some()) {
            let Some((_, series)) = endpoints.remove(old) else { continue };
            self.series.fetch_sub(1, Ordering::Relaxed);
            series.fold_into(&self.series(reporter, old));
        }
    }
}
