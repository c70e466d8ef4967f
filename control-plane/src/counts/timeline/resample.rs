//! Resamples slots to the steps of a sparkline; a slot may be longer than a step, or overlap two.

use mesh::golden::GoldenMetrics;

use crate::model::traffic::TrafficPoint;

/// The steps of one sparkline.
#[derive(Debug, Default)]
pub struct Sparks(Vec<Spark>);

/// The counts of one step.
#[derive(Debug, Clone, Copy, Default)]
struct Spark {
    hits: f64,
    failures: f64,
    bytes_out: f64,
}

impl Sparks {
    /// Creates `points` empty steps.
    pub fn new(points: usize) -> Self {
        Self(vec![Spark::default(); points])
    }

    /// Adds a slot from one position to another, both in steps.
    pub fn add(&mut self, from: f64, to: f64, golden: &GoldenMetrics) {
        for (point, spark) in self.0.iter_mut().enumerate().take(to.ceil() as usize).skip(from as usize) {
            let share = ((point as f64 + 1.0).min(to) - (point as f64).max(from)).max(0.0) / (to - from);
            spark.hits += golden.hits as f64 * share;
            spark.failures += golden.failures() as f64 * share;
            spark.bytes_out += golden.bytes_out as f64 * share;
        }
    }

    /// Returns the steps in whole numbers, oldest first.
    pub fn traffic(&self) -> Vec<TrafficPoint> {
        let whole = |spark: &Spark| TrafficPoint {
            hits: spark.hits.round() as u64,
            failures: spark.failures.round() as u64,
            bytes_out: spark.bytes_out.round() as u64,
        };
        self.0.iter().map(whole).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_across_two_steps_is_shared_out() {
        let mut golden = GoldenMetrics::default();
        (golden.hits, golden.bytes_out) = (40, 1000);
        let mut sparks = Sparks::new(3);
        sparks.add(0.75, 1.75, &golden);
        let reported: Vec<(u64, u64)> = sparks.traffic().iter().map(|step| (step.hits, step.bytes_out)).collect();
        assert_eq!(reported, [(10, 250), (30, 750), (0, 0)]);
    }
}
