//! Both sides of a split that covers an endpoint, side by side, with the verdict on whether they differ.

use format::number;
use format::number::Quantity;
use format::split::findings;
use mesh::golden::GoldenMetrics;
use mesh::rule::Rule;
use mesh::rule_totals::{RuleTotals, SplitSides};
use serde::Serialize;

use crate::dashboard::state::DashboardState;
use crate::query::snapshot::EndpointRow;
use format::health::ratio;

/// The card of a split.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SplitCells {
    /// `split`; empty if no split covers the endpoint.
    pub kind: &'static str,
    /// What is counted.
    pub about: String,
    /// The verdict on the error rates.
    pub errors: String,
    /// The verdict on the latencies.
    pub latency: String,
}

/// The row of one side.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SideCells {
    /// Which side it is.
    pub side: String,
    /// Number of requests.
    pub hits: String,
    /// Ratio of requests that failed.
    pub failing: Quantity,
    /// The median latency.
    pub p50: Quantity,
    /// The 95th percentile of the latency.
    pub p95: Quantity,
    /// The 99th percentile of the latency.
    pub p99: Quantity,
}

/// The first split that covers an endpoint: it decides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Versions {
    /// The card.
    pub card: SplitCells,
    /// The service itself, and the other address.
    pub sides: [SideCells; 2],
}

impl Versions {
    /// The split of this endpoint, if there is one.
    pub fn of(state: &DashboardState, row: &EndpointRow) -> Self {
        let records = state.reader.rules_of(&row.namespace, &row.service);
        let splits = records
            .iter()
            .map(|record| &record.rule)
            .filter(|rule| rule.kind() == "split" && rule.covers(row.endpoint.method(), row.endpoint.route()));
        let with_sides = |rule: &Rule| {
            let RuleTotals { sides, .. } = state.reader.rule_totals(rule);
            sides.map(|sides| Self::from_sides(&rule.subject(), &sides))
        };
        splits.map(with_sides).next().flatten().unwrap_or_default()
    }

    fn from_sides(subject: &str, sides: &SplitSides) -> Self {
        let [errors, latency] = findings(&sides.comparison());
        Self {
            card: SplitCells {
                kind: "split",
                about: format!("{subject}, since the pods that run now applied the split"),
                errors,
                latency,
            },
            sides: [SideCells::of("Service itself", &sides.own), SideCells::of("Other address", &sides.other)],
        }
    }
}

impl SideCells {
    fn of(side: &str, golden: &GoldenMetrics) -> Self {
        let quantile = |q: f64| number::latency(golden.quantile_us(q));
        Self {
            side: side.to_owned(),
            hits: number::count(golden.served()),
            failing: number::percent(ratio(golden.failed, golden.served())),
            p50: quantile(0.5),
            p95: quantile(0.95),
            p99: quantile(0.99),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_have_a_row_and_the_verdicts_are_sentences() {
        let mut sides = SplitSides::default();
        for (side, hits) in [(&mut sides.own, 300), (&mut sides.other, 250)] {
            for _ in 0..hits {
                side.hits += 1;
                side.add_status(200, 1);
                side.time(1000, 1000);
            }
        }
        sides.other.failed = 125;
        let shown = Versions::from_sides("every endpoint", &sides);
        assert_eq!((shown.sides[0].hits.as_str(), shown.sides[1].hits.as_str()), ("300", "250"));
        assert_eq!(shown.sides[1].failing.words(), "50 %");
        assert!(shown.card.errors.contains("the other address fails more often"), "{}", shown.card.errors);
        assert!(shown.card.latency.contains("not shown to differ"), "{}", shown.card.latency);
    }
}
