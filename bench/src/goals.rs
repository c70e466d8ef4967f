//! The goals of the side-by-side benchmark, and whether a run meets them.

use serde_json::{Value, json};

use crate::contenders::{COPY_LOOP, ENVOY, HAPROXY, NGINX, SITIO};
use crate::figures::Median;
use crate::rounds::{
    DIRECT, EACH, HTTP2_SINGLE, HTTP2_STREAMS, HTTP2_TEN_KB, LARGE, PACED, Results, RoundSample, SMALL, Samples, TEN_KB, THOUSAND,
};

/// linkerd2-proxy's CPU time per request in µs, divided by the copy loop's, both measured once. It
/// is not packaged separately, so this ratio is assumed to hold still.
const LINKERD: &str = "linkerd2-proxy (25.9 ÷ 10.5 of the copy loop, not run)";
const LINKERD_TO_COPY_LOOP: f64 = 25.9 / 10.5;

/// One goal.
struct Goal {
    what: What,
    at_most: f64,
}

/// The figure that a goal limits.
#[derive(Clone, Copy)]
enum What {
    /// CPU time of Sitio, divided by that of another proxy.
    Cpu(&'static str, &'static str),
    /// Added p50 latency compared with no proxy, divided by HAProxy's.
    AddedP50,
    /// Added p99 latency compared with no proxy, divided by HAProxy's.
    AddedP99,
    /// Resident MiB before the first request.
    Idle,
    /// Resident MiB at the end of a load.
    Busy(&'static str),
    /// Size of the program in MB.
    Program,
}

const GOALS: [Goal; 21] = [
    Goal { what: What::Cpu(SMALL, COPY_LOOP), at_most: 1.18 },
    Goal { what: What::Cpu(SMALL, HAPROXY), at_most: 0.95 },
    Goal { what: What::Cpu(SMALL, NGINX), at_most: 0.95 },
    Goal { what: What::Cpu(SMALL, ENVOY), at_most: 0.45 },
    Goal { what: What::Cpu(SMALL, LINKERD), at_most: 0.50 },
    Goal { what: What::Cpu(TEN_KB, HAPROXY), at_most: 0.85 },
    Goal { what: What::Cpu(THOUSAND, COPY_LOOP), at_most: 1.20 },
    Goal { what: What::Cpu(THOUSAND, HAPROXY), at_most: 0.75 },
    Goal { what: What::Cpu(THOUSAND, NGINX), at_most: 0.75 },
    Goal { what: What::Cpu(EACH, NGINX), at_most: 0.95 },
    Goal { what: What::Cpu(LARGE, HAPROXY), at_most: 0.65 },
    Goal { what: What::Cpu(PACED, NGINX), at_most: 0.95 },
    Goal { what: What::Cpu(HTTP2_STREAMS, HAPROXY), at_most: 1.0 },
    Goal { what: What::Cpu(HTTP2_SINGLE, HAPROXY), at_most: 1.0 },
    Goal { what: What::Cpu(HTTP2_TEN_KB, HAPROXY), at_most: 1.0 },
    Goal { what: What::AddedP50, at_most: 1.0 },
    Goal { what: What::AddedP99, at_most: 1.0 },
    Goal { what: What::Idle, at_most: 7.0 },
    Goal { what: What::Busy(SMALL), at_most: 8.0 },
    Goal { what: What::Busy(THOUSAND), at_most: 12.0 },
    Goal { what: What::Program, at_most: 8.0 },
];

/// A goal and its result.
pub struct GoalResult {
    /// The figure.
    pub what: String,
    /// The goal: the maximum.
    pub at_most: f64,
    /// The measured value; `None` if it could not be measured.
    pub measured: Option<Median>,
}

impl GoalResult {
    /// The verdict in a word.
    pub fn word(&self) -> &'static str {
        match self.measured {
            None => "not run",
            Some(measured) if measured.median > self.at_most => "missed",
            // More than a quarter of the rounds exceeded the goal.
            Some(measured) if measured.high > self.at_most => "met, narrowly",
            Some(_) => "met",
        }
    }

    /// The verdict as JSON.
    pub fn json(&self) -> Value {
        let measured = self.measured.map(|figure| json!({"median": figure.median, "low": figure.low, "high": figure.high}));
        json!({"what": self.what, "at_most": self.at_most, "measured": measured, "verdict": self.word()})
    }
}

/// Compares the results with each goal.
pub fn judge(results: &Results) -> Vec<GoalResult> {
    let verdict =
        |goal: &Goal| GoalResult { what: goal.what.words(), at_most: goal.at_most, measured: goal.what.measured(results) };
    GOALS.iter().map(verdict).collect()
}

impl What {
    fn words(self) -> String {
        match self {
            Self::Cpu(load, other) => format!("{load}: CPU ÷ {other}"),
            Self::AddedP50 => format!("{PACED}: added p50 ÷ {HAPROXY}"),
            Self::AddedP99 => format!("{PACED}: added p99 ÷ {HAPROXY}"),
            Self::Idle => "MiB resident, idle".to_owned(),
            Self::Busy(load) => format!("MiB resident, {load}"),
            Self::Program => "MB of the stripped program".to_owned(),
        }
    }

    fn measured(self, results: &Results) -> Option<Median> {
        match self {
            Self::Cpu(load, LINKERD) => {
                let figure = cpu_ratio(results.samples(load)?, COPY_LOOP)?;
                let scaled = |value| value / LINKERD_TO_COPY_LOOP;
                Some(Median { median: scaled(figure.median), low: scaled(figure.low), high: scaled(figure.high) })
            }
            Self::Cpu(load, other) => cpu_ratio(results.samples(load)?, other),
            Self::AddedP50 => added_ratio(results.samples(PACED)?, |sample| sample.latency_p50_us),
            Self::AddedP99 => added_ratio(results.samples(PACED)?, |sample| sample.latency_p99_us),
            Self::Idle => exactly(*results.idle_mib.get(SITIO)?),
            Self::Busy(load) => Median::of(results.samples(load)?.get(SITIO)?.iter().map(|sample| sample.resident_mib)),
            Self::Program => exactly(*results.program_mb.get(SITIO)?),
        }
    }
}

/// Sitio's CPU time divided by another's, round by round: a temporary slowdown of the machine affects both.
pub fn cpu_ratio(samples: &Samples, other: &str) -> Option<Median> {
    let (ours, theirs) = (samples.get(SITIO)?, samples.get(other)?);
    Median::of(ours.iter().zip(theirs).map(|(ours, theirs)| ours.cpu_us / theirs.cpu_us))
}

/// The latency that a proxy adds, round by round, in microseconds.
pub fn added(samples: &Samples, proxy: &str, latency: fn(&RoundSample) -> Option<f64>) -> Option<Vec<f64>> {
    let (through, direct) = (samples.get(proxy)?, samples.get(DIRECT)?);
    through.iter().zip(direct).map(|(through, direct)| Some(latency(through)? - latency(direct)?)).collect()
}

fn added_ratio(samples: &Samples, latency: fn(&RoundSample) -> Option<f64>) -> Option<Median> {
    let (ours, theirs) = (added(samples, SITIO, latency)?, added(samples, HAPROXY, latency)?);
    Median::of(ours.into_iter().zip(theirs).map(|(ours, theirs)| ours / theirs))
}

fn exactly(value: f64) -> Option<Median> {
    Median::of(std::iter::once(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(cpu_us: f64, latency_us: f64) -> RoundSample {
        RoundSample { cpu_us, latency_p50_us: Some(latency_us), latency_p99_us: Some(latency_us), rate: 1.0, resident_mib: 1.0 }
    }

    #[test]
    fn a_noisy_round_is_noisy_for_both() {
        let ours = vec![sample(11.0, 0.0), sample(55.0, 0.0), sample(12.0, 0.0)];
        let theirs = vec![sample(10.0, 0.0), sample(50.0, 0.0), sample(10.0, 0.0)];
        let samples = Samples::from([(SITIO, ours), (COPY_LOOP, theirs)]);

        let ratio = cpu_ratio(&samples, COPY_LOOP).unwrap();

        assert!((ratio.median - 1.1).abs() < 1e-9, "{ratio:?}");
        assert_eq!(cpu_ratio(&samples, NGINX), None, "who was not run is not judged");
    }

    #[test]
    fn time_of_the_path_itself_is_subtracted() {
        let samples = Samples::from([
            (SITIO, vec![sample(1.0, 130.0)]),
            (HAPROXY, vec![sample(1.0, 140.0)]),
            (DIRECT, vec![sample(0.0, 100.0)]),
        ]);

        let ratio = added_ratio(&samples, |sample| sample.latency_p50_us).unwrap();

        assert!((ratio.median - 0.75).abs() < 1e-9, "{ratio:?}");
    }

    #[test]
    fn a_verdict_follows_the_median_and_says_when_it_was_close() {
        let verdict = |measured| GoalResult { what: String::new(), at_most: 1.0, measured }.word();
        let figure = |median, high| Some(Median { median, low: 0.5, high });
        assert_eq!(verdict(None), "not run");
        assert_eq!(verdict(figure(0.9, 0.95)), "met");
        assert_eq!(verdict(figure(0.9, 1.1)), "met, narrowly");
        assert_eq!(verdict(figure(1.01, 1.1)), "missed");
    }
}
