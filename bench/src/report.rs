//! Formats the results as tables for people and JSON for programs: medians, quartiles, ratios, verdicts.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use crate::contenders::COPY_LOOP;
use crate::figures::Median;
use crate::goals::{GoalResult, added};
use crate::rounds::{DIRECT, PACED, Results, RoundSample, SMALL, Samples, Scenario, THOUSAND};

/// The table of one scenario.
pub fn table(scenario: &Scenario, samples: &Samples) -> String {
    let mut table = format!("\n### {}\n\n", scenario.name);
    table.push_str(
        "| proxy | CPU µs/request | quartiles | × copy loop | p50 µs | p99 µs | added p50, p99 | requests/s | RSS MiB |\n",
    );
    table.push_str("|---|--:|--:|--:|--:|--:|--:|--:|--:|\n");
    for (name, own) in samples {
        let middle = |digits: usize, of: fn(&RoundSample) -> Option<f64>| {
            Median::of(own.iter().filter_map(of)).map_or("–".to_owned(), |figure| format!("{:.digits$}", figure.median))
        };
        let Some(cpu) = Median::of(own.iter().map(|sample| sample.cpu_us)) else { continue };
        let _ = writeln!(
            table,
            "| {name} | {:.1} | {:.1} – {:.1} | {} | {} | {} | {} | {} | {} |",
            cpu.median,
            cpu.low,
            cpu.high,
            ratio(samples, own),
            middle(0, |sample| sample.latency_p50_us),
            middle(0, |sample| sample.latency_p99_us),
            added_words(samples, name),
            middle(0, |sample| Some(sample.rate)),
            middle(1, |sample| Some(sample.resident_mib)),
        );
    }
    table
}

/// Memory, program size and system calls of each proxy.
pub fn costs(results: &Results) -> String {
    let mut table =
        "\n### Memory and size\n\n| proxy | idle MiB | 64 busy | 1,000 busy | program MB |\n|---|--:|--:|--:|--:|\n".to_owned();
    for (name, idle) in &results.idle_mib {
        let busy = |load| {
            let figure = results.samples(load).and_then(|samples| Median::of(samples.get(name)?.iter().map(|s| s.resident_mib)));
            figure.map_or("–".to_owned(), |figure| format!("{:.1}", figure.median))
        };
        let program = results.program_mb.get(name).map_or("–".to_owned(), |mb| format!("{mb:.1}"));
        let _ = writeln!(table, "| {name} | {idle:.1} | {} | {} | {program} |", busy(SMALL), busy(THOUSAND));
    }
    if results.system_calls.is_empty() {
        table.push_str(
            "\nSystem calls were not counted, because `strace` is not installed or not allowed (apt-get install strace).\n",
        );
        return table;
    }
    table.push_str(
        "\n### System calls for each exchange\n\n| load | proxy | reads | writes | waits | others |\n|---|---|--:|--:|--:|--:|\n",
    );
    for (load, name, calls) in &results.system_calls {
        let _ = writeln!(
            table,
            "| {load} | {name} | {:.2} | {:.2} | {:.2} | {:.2} |",
            calls.reads, calls.writes, calls.waits, calls.others
        );
    }
    table
}

/// The table of goals and verdicts.
pub fn goals(verdicts: &[GoalResult]) -> String {
    let mut table = "\n### The goals\n\n| figure | goal | measured | quartiles | |\n|---|--:|--:|--:|---|\n".to_owned();
    for verdict in verdicts {
        let (median, quartiles) = match verdict.measured {
            Some(figure) => (format!("{:.2}", figure.median), format!("{:.2} – {:.2}", figure.low, figure.high)),
            None => ("–".to_owned(), "–".to_owned()),
        };
        let _ = writeln!(table, "| {} | ≤ {} | {median} | {quartiles} | {} |", verdict.what, verdict.at_most, verdict.word());
    }
    table
}

/// All results as JSON, with every sample.
pub fn json(results: &Results, verdicts: &[GoalResult]) -> Value {
    let scenario = |(scenario, samples): &(Scenario, Samples)| {
        let contenders: Map<String, Value> = samples
            .iter()
            .map(|(name, samples)| ((*name).to_owned(), samples.iter().map(sample_json).collect::<Value>()))
            .collect();
        json!({"scenario": scenario.name, "samples": contenders})
    };
    let calls = |(load, name, calls): &(&str, &str, crate::system_calls::SystemCalls)| json!({"scenario": load, "proxy": name, "calls": calls});
    json!({
        "scenarios": results.scenarios.iter().map(scenario).collect::<Value>(),
        "idle_mib": results.idle_mib,
        "program_mb": results.program_mb,
        "system_calls": results.system_calls.iter().map(calls).collect::<Value>(),
        "goals": verdicts.iter().map(GoalResult::json).collect::<Value>(),
        "absent": results.absent,
        "machine_load": results.machine_load,
    })
}

fn sample_json(sample: &RoundSample) -> Value {
    json!({"cpu_us": sample.cpu_us, "latency_p50_us": sample.latency_p50_us, "latency_p99_us": sample.latency_p99_us,
           "requests_per_s": sample.rate, "resident_mib": sample.resident_mib})
}

fn ratio(samples: &Samples, own: &[RoundSample]) -> String {
    let limit = samples.get(COPY_LOOP).map(Vec::as_slice).unwrap_or_default();
    let ratios = own.iter().zip(limit).map(|(own, limit)| own.cpu_us / limit.cpu_us);
    Median::of(ratios).map_or("–".to_owned(), |figure| format!("{:.2}", figure.median))
}

fn added_words(samples: &Samples, name: &str) -> String {
    let median = |latency| Median::of(added(samples, name, latency)?.into_iter());
    match (median(|sample| sample.latency_p50_us), median(|sample| sample.latency_p99_us)) {
        (Some(p50), Some(p99)) if name != DIRECT => format!("{:.0}, {:.0}", p50.median, p99.median),
        _ => "–".to_owned(),
    }
}

/// Whether to count system calls in this scenario: in one of each kind.
pub fn counts_system_calls(scenario: &Scenario) -> bool {
    scenario.name != PACED && scenario.body_bytes <= 100
}
