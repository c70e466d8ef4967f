//! Applies pins: merges the series that a pin gives one name, and gives counts back their own name when a pin is withdrawn.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use mesh::routes::route_patterns::Pins;

use crate::counts::timeline::Timeline;
use crate::counts::timeline::pinned_patterns::Service;
use crate::counts::timeline::series::Series;
use crate::model::reporter::Reporter;
use crate::model::rules_state::RulesState;
use crate::store::metrics_store::StoredSeries;

/// Stored counts under a name that a pin changed, and does not change any more.
struct Leaving {
    stored: StoredSeries,
    /// The series that counts it now.
    from: Arc<Series>,
}

/// Names endpoints by the pins of these rules from now on, and merges series that get the same
/// name. Counts that a removed pin had merged, and that were on disk before, return to their
/// own name, as after a restart. `on_disk` reads them. Call it before the rules are published.
pub fn apply_pins(timeline: &Timeline, rules: &RulesState, on_disk: impl FnOnce() -> Vec<StoredSeries>) {
    let Some(_one_at_a_time) = timeline.pins.begin_change(rules.revision) else { return };
    let pinned = rules.services().map(|(name, set)| (name.clone(), set.pins));
    let pinned: HashMap<_, _> = pinned.filter(|(_, pins)| !pins.is_empty()).collect();
    // Read before the names change: since the merge, nothing was written under the names that
    // come back.
    let leaving = find_leaving(timeline, &pinned, on_disk);
    let changed = timeline
        .pins
        .replace(pinned, |(namespace, service), pins| merge_renamed(timeline, Reporter { namespace, service }, pins));
    for leaving in &leaving {
        restore_own_name(timeline, leaving);
    }
    timeline.pins.end_change(rules.revision, changed);
}

fn merge_renamed(timeline: &Timeline, reporter: Reporter<'_>, pins: &Pins) {
    let endpoints = timeline.endpoints(reporter);
    let names: Vec<_> = endpoints.iter().map(|series| series.key().clone()).collect();
    for old in names.iter().filter(|old| pins.rename(old).is_some()) {
        let Some((_, series)) = endpoints.remove(old) else { continue };
        timeline.series.fetch_sub(1, Ordering::Relaxed);
        series.merge_into(&timeline.series(reporter, old));
    }
}

/// Stored counts under names that the current pins change, and the new pins do not change, or
/// change differently.
fn find_leaving(
    timeline: &Timeline,
    pinned: &HashMap<Service, Arc<Pins>>,
    on_disk: impl FnOnce() -> Vec<StoredSeries>,
) -> Vec<Leaving> {
    let before = timeline.pins.differing(pinned);
    if before.is_empty() {
        return Vec::new();
    }
    let leaving = |stored: StoredSeries| {
        let service = (stored.name.namespace.clone(), stored.name.service.clone());
        let now = before.get(&service)?.rename(&stored.name.endpoint)?;
        let next = pinned.get(&service).and_then(|pins| pins.rename(&stored.name.endpoint));
        let reporter = Reporter { namespace: &service.0, service: &service.1 };
        let from = timeline.endpoints(reporter).get(&now).map(|series| Arc::clone(&series))?;
        (next.as_ref() != Some(&now)).then_some(Leaving { stored, from })
    };
    on_disk().into_iter().filter_map(leaving).collect()
}

fn restore_own_name(timeline: &Timeline, Leaving { stored, from }: &Leaving) {
    let (from, to) = (from.canonical(), timeline.stored_series(&stored.name));
    if Arc::ptr_eq(&from, &to) {
        return;
    }
    from.subtract_lost(&stored.total);
    to.restore_total(stored.seen, &stored.total);
    if stored.is_file {
        to.mark_as_file();
    }
}
