//! Remembers under which names a pod still tells what is counted under a pinned one, so that no total changes by a pin.
//!
//! A pod folds its own rows when it obeys the pin, a moment after us. Until its receipt says so, its totals may come under
//! the old names, and belong to what was folded here. Should the receipt never come, because the pin was withdrawn
//! or the stream broke in between, we cannot know whether it has folded; the old names then go on standing for the
//! new one as long as its process runs, which is exact in both cases.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use mesh::endpoint::Endpoint;
use mesh::report::{EndpointReport, Seen};
use mesh::routes::pins::Pins;

/// Old names remembered of one process: as many as one stream may define. A pod that has more is not believed.
const OLD_NAMES_MAX: usize = proto::convert::live::DEFINITIONS_MAX;

/// One process's names.
#[derive(Debug, Default)]
pub struct Folds {
    pins: Arc<Pins>,
    old: HashMap<Endpoint, Endpoint>,
}

impl Folds {
    /// The pod is being told of these pins.
    pub fn pod_is_told(&mut self, pins: Arc<Pins>) {
        self.pins = pins;
    }

    /// What was counted under an old name is counted under a new one.
    pub fn remember(&mut self, old: Endpoint, new: Endpoint) {
        for known in self.old.values_mut().filter(|known| **known == old) {
            *known = new.clone();
        }
        if self.old.len() < OLD_NAMES_MAX {
            self.old.insert(old, new);
        }
    }

    /// The pod has folded what these pins rename.
    pub fn pod_obeys(&mut self, pins: &Pins) {
        self.old.retain(|old, _| pins.rename(old).is_none());
    }

    /// What a pod tells, by the names under which it is counted here, each once.
    pub fn rename<'a>(&mut self, told: &'a [EndpointReport]) -> Cow<'a, [EndpointReport]> {
        if self.are_none() {
            return Cow::Borrowed(told);
        }
        let mut places: HashMap<Endpoint, usize> = HashMap::with_capacity(told.len());
        let mut renamed: Vec<EndpointReport> = Vec::with_capacity(told.len());
        for report in told {
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

    /// Whether everything is counted under the name that it is told by.
    fn are_none(&self) -> bool {
        self.pins.is_empty() && self.old.is_empty()
    }

    /// Under which other name something is counted here, if it is.
    pub fn name(&mut self, told: &Endpoint) -> Option<Endpoint> {
        if self.are_none() {
            return None;
        }
        if let Some(name) = self.old.get(told) {
            return Some(name.clone());
        }
        let name = self.pins.rename(told)?;
        self.remember(told.clone(), name.clone());
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
