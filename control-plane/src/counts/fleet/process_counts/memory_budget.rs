//! Limits the memory that one process's counts take, whatever their shape.

use mesh::endpoint::Endpoint;
use mesh::report::{Coverage, Report};
use mesh::rule_totals::RuleTotals;

use crate::counts::fleet::process_counts::endpoint_counts::EndpointCounts;
use crate::counts::timeline::Timeline;
use crate::counts::timeline::quota::QuotaUse;

/// The share of one process in the quota.
#[derive(Debug, Default)]
pub(super) struct MemoryBudget {
    taken: Option<QuotaUse>,
    /// Bytes of it for what rules have done: each report replaces that.
    rules: usize,
}

impl MemoryBudget {
    /// Whether the quota has room for a report. What is known already is weighed twice, except in a
    /// snapshot, which replaces it. The error is the number of bytes that the process would take.
    pub(super) fn check(&mut self, report: &Report, timeline: &Timeline) -> Result<(), usize> {
        let taken = self.taken.get_or_insert_with(|| timeline.process_quota().share().new_use());
        let rows: usize = report.endpoints.iter().map(|row| row.golden.weight()).sum();
        let known = if report.coverage == Coverage::Snapshot { taken.bytes().saturating_sub(self.rules) } else { 0 };
        let more = rows.saturating_sub(known) + weight(&report.rules).saturating_sub(self.rules);
        if taken.admits(more) { Ok(()) } else { Err(taken.bytes().saturating_add(more)) }
    }

    /// Bytes in use.
    pub(super) fn bytes(&self) -> usize {
        self.taken.as_ref().map_or(0, QuotaUse::bytes)
    }

    /// Records that a part has grown from `before` to `after` bytes.
    pub(super) fn adjust(&mut self, before: usize, after: usize) {
        if let Some(taken) = self.taken.as_mut().filter(|_| before != after) {
            taken.resize((taken.bytes() + after).saturating_sub(before));
        }
    }

    /// Records what the rules of an absorbed report take.
    pub(super) fn record_rules(&mut self, rules: &[RuleTotals]) {
        let after = weight(rules);
        self.adjust(self.rules, after);
        self.rules = after;
    }

    /// Recomputes the bytes from all endpoints.
    pub(super) fn recompute<'a>(&mut self, all: impl Iterator<Item = (&'a Endpoint, &'a EndpointCounts)>) {
        if let Some(taken) = &mut self.taken {
            taken.resize(all.map(|(_, counted)| counted.bytes()).sum::<usize>() + self.rules);
        }
    }
}

fn weight(rules: &[RuleTotals]) -> usize {
    rules.iter().map(RuleTotals::weight).sum()
}
