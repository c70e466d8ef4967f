//! Maps the old endpoint names of a pod to pinned ones, so that a pin changes no total.
//!
//! A pod folds its own rows when it applies the pin, a moment after us. Until its receipt arrives,
//! its totals may use the old names, and they belong to what was folded here. If the receipt never
//! comes (the pin was withdrawn, or the stream broke in between), we cannot know whether the pod
//! has folded. The old names then map to the new one as long as the process runs, which is exact in
//! both cases.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use mesh::endpoint::Endpoint;
use mesh::report::{EndpointReport, Seen};
use mesh::routes::route_patterns::Pins;

/// Limit of old names of one process: as many as one stream may define. A pod that has more is not
/// trusted.
const OLD_NAMES_MAX: usize = proto::convert::live::DEFINITIONS_MAX;

/// Pin aliases of one process.
#[derive(Debug, Default)]
pub struct PinAliases {
    pins: Arc<Pins>,
    old: HashMap<Endpoint, Endpoint>,
}

impl PinAliases {
    /// Records the pins that are on their way to the pod.
    pub fn pins_sent(&mut self, pins: Arc<Pins>) {
        self.pins = pins;
    }

    /// Maps an old name to a new one, also for the names that map to the old one.
    pub fn insert(&mut self, old: Endpoint, new: Endpoint) {
        for known in self.old.values_mut().filter(|known| **known == old) {
            *known = new.clone();
        }
        if self.old.len() < OLD_NAMES_MAX {
            self.old.insert(old, new);
        }
    }

    /// Drops the aliases that these pins explain: the pod has folded those rows.
    pub fn pins_applied(&mut self, pins: &Pins) {
        self.old.retain(|old, _| pins.rename(old).is_none());
    }

    /// Renames a pod's rows to the names counted here, and merges rows of one name.
    pub fn rename<'a>(&mut self, row: &'a [EndpointReport]) -> Cow<'a, [EndpointReport]> {
        if self.is_empty() {
            return Cow::Borrowed(row);
        }
        let mut places: HashMap<Endpoint, usize> = HashMap::with_capacity(row.len());
        let mut renamed: Vec<EndpointReport> = Vec::with_capacity(row.len());
        for report in row {
            let mut report = report.clone();
            if let Some(name) = self.name(&report.endpoint) {
                report.endpoint = name;
            }
            if let Some(place) = places.get(&report.endpoint) {
                join(&mut renamed[*place], report);
            } else {
                places.insert(report.endpoint.clone(), renamed.len());
                renamed.push(report);
            }
        }
        Cow::Owned(renamed)
    }

    /// Whether every endpoint is counted under the name that the pod reports.
    fn is_empty(&self) -> bool {
        self.pins.is_empty() && self.old.is_empty()
    }

    /// The other name under which an endpoint is counted here, if it has one.
    pub fn name(&mut self, row: &Endpoint) -> Option<Endpoint> {
        if self.is_empty() {
            return None;
        }
        if let Some(name) = self.old.get(row) {
            return Some(name.clone());
        }
        let name = self.pins.rename(row)?;
        self.insert(row.clone(), name.clone());
        Some(name)
    }
}

fn join(sum: &mut EndpointReport, report: EndpointReport) {
    sum.is_file |= report.is_file;
    sum.in_flight = sum.in_flight.saturating_add(report.in_flight);
    sum.golden.merge(&report.golden);
    sum.callers.merge(&report.callers);
    sum.seen = sum.seen.into_iter().chain(report.seen).reduce(Seen::and);
    sum.recent.extend(report.recent);
}

#[cfg(test)]
mod tests;
