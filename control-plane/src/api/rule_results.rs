//! The sides of a split as the API reports them.

use api::rule_results::{SplitFinding, SplitReport, SplitSide, SplitVerdict};
use format::split::{Measure, finding};
use mesh::comparison::{Finding, Verdict};
use mesh::golden::GoldenMetrics;
use mesh::rule_totals::SplitSides;

use crate::api::units::ms;

/// Both sides, and whether they differ.
pub(super) fn report(sides: &SplitSides) -> SplitReport {
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
