//! Puts the samples into a table for people and a file for programs: medians, spread, ratios.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::rounds::{Sample, Samples, Scenario};

/// The contender that all others are divided by.
const LIMIT: &str = "copy loop";

/// The table of one scenario.
pub fn table(scenario: &Scenario, samples: &Samples) -> String {
    let limit = samples.get(LIMIT).map_or(f64::NAN, |samples| median(samples, |sample| sample.cpu_us));
    let mut table = format!("\n### {}\n\n", scenario.name);
    table.push_str("| proxy | CPU µs/request | min – max | × copy loop | p50 µs | p99 µs | requests/s | RSS MiB |\n");
    table.push_str("|---|--:|--:|--:|--:|--:|--:|--:|\n");
    for (name, samples) in samples {
        let cpu = median(samples, |sample| sample.cpu_us);
        let all = samples.iter().map(|sample| sample.cpu_us);
        let (least, most) = (all.clone().fold(f64::MAX, f64::min), all.fold(0.0, f64::max));
        let _ = writeln!(
            table,
            "| {name} | {cpu:.1} | {least:.1} – {most:.1} | {:.2} | {:.0} | {:.0} | {:.0} | {:.1} |",
            cpu / limit,
            median(samples, |sample| sample.latency_p50_us),
            median(samples, |sample| sample.latency_p99_us),
            median(samples, |sample| sample.rate),
            median(samples, |sample| sample.resident_mib),
        );
    }
    table
}

/// The same as data, with every sample.
pub fn json(scenario: &Scenario, samples: &Samples) -> Value {
    let contender = |samples: &Vec<Sample>| {
        let samples: Vec<Value> = samples
            .iter()
            .map(|sample| {
                json!({"cpu_us": sample.cpu_us, "latency_p50_us": sample.latency_p50_us, "latency_p99_us": sample.latency_p99_us,
                       "requests_per_s": sample.rate, "resident_mib": sample.resident_mib})
            })
            .collect();
        json!(samples)
    };
    let contenders: serde_json::Map<String, Value> =
        samples.iter().map(|(name, samples)| ((*name).to_owned(), contender(samples))).collect();
    json!({"scenario": scenario.name, "samples": contenders})
}

fn median(samples: &[Sample], of: impl Fn(&Sample) -> f64) -> f64 {
    let mut values: Vec<f64> = samples.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
