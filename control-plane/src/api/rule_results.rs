//! The circuits of a rule and the sides of a split as the API reports them.

use api::rule_results::{Circuits, SplitFinding, SplitReport, SplitSide, SplitVerdict};
use format::split::{Measure, finding};
use mesh::comparison::{Finding, Verdict};
use mesh::golden::GoldenMetrics;
use mesh::rule_totals::{self, SplitSides};

use crate::api::units::ms;

/// The circuits, if the rule has any.
pub(super) fn circuits(circuits: rule_totals::Circuits) -> Option<Circuits> {
    let rule_totals::Circuits { closed, half_open, open } = circuits;
    (circuits.pods() > 0).then_some(Circuits { closed, half_open, open })
}

/// Both sides, and whether they differ.
pub(super) fn split(sides: &SplitSides) -> SplitReport {
    let comparison = sides.comparison();
    SplitReport {
        own: side(&sides.own),
        other: side(&sides.other),
        errors: tested(Measure::Errors, &comparison.errors),
        latency: tested(Measure::Latency, &comparison.latency),
    }
}

fn side(golden: &GoldenMetrics) -> SplitSide {
    SplitSide {
        requests: golden.served(),
        failed: golden.failed,
        p50_ms: golden.quantile_us(0.5).map(ms),
        p99_ms: golden.quantile_us(0.99).map(ms),
    }
}

fn tested(measure: Measure, found: &Finding) -> SplitFinding {
    SplitFinding {
        verdict: match found.verdict {
            Verdict::TooFew => SplitVerdict::TooFew,
            Verdict::NotShown => SplitVerdict::NotShown,
            Verdict::FirstHigher => SplitVerdict::OwnHigher,
            Verdict::SecondHigher => SplitVerdict::OtherHigher,
        },
        p_value: found.p,
        level: found.level,
        summary: finding(measure, found),
    }
}
