//! What one process's counts may take in memory, whatever shape they have.

use mesh::endpoint::Endpoint;
use mesh::report::{Coverage, Report};

use crate::fleet::tally::counted::Counted;
use crate::timeline::Timeline;
use crate::timeline::bytes_room::Taken;

/// What one process takes of it.
#[derive(Debug, Default)]
pub(super) struct Weight(Option<Taken>);

impl Weight {
    /// Whether there is room for what a report brings; what is known already is weighed twice, but for a snapshot, which
    /// takes its place. If not, returns what it would take.
    pub(super) fn bears(&mut self, report: &Report, timeline: &Timeline) -> Result<(), usize> {
        let taken = self.0.get_or_insert_with(|| timeline.tally_room().share().nothing());
        let told: usize = report.endpoints.iter().map(|told| told.golden.weight()).sum();
        let more = if report.coverage == Coverage::Snapshot { told.saturating_sub(taken.bytes()) } else { told };
        if taken.may_take(more) { Ok(()) } else { Err(taken.bytes().saturating_add(more)) }
    }

    /// Bytes that are taken.
    pub(super) fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, Taken::bytes)
    }

    /// What grew from so many bytes to so many.
    pub(super) fn grew(&mut self, before: usize, after: usize) {
        if let Some(taken) = self.0.as_mut().filter(|_| before != after) {
            taken.is_now((taken.bytes() + after).saturating_sub(before));
        }
    }

    /// These are all that there is.
    pub(super) fn is_of<'a>(&mut self, all: impl Iterator<Item = (&'a Endpoint, &'a Counted)>) {
        if let Some(taken) = &mut self.0 {
            taken.is_now(all.map(|(_, counted)| counted.weight()).sum());
        }
    }
}
