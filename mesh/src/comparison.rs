//! Compares two versions of a service by their traffic: whether their error rates and latencies differ, and how sure that is.

use crate::golden::GoldenMetrics;
use crate::histogram::Histogram;

/// Requests that each side must have before there is a verdict. With fewer, only gross differences can be found, and a few
/// slow requests of a cold start decide: a rise of the error rate from 1 % to 10 % is found in four of five cases from about
/// 200 requests of each side on (the usual formula for two proportions, with the level of the first look).
pub const REQUESTS_MIN: u64 = 200;

/// The share of false alarms that the levels of all looks add up to.
///
/// People look at a verdict again and again while traffic comes in. At a fixed level, some look finds a difference by chance:
/// in a simulation of equal sides with 953 looks, between 200 and 2,000,000 requests, a level of 5 % raised a false alarm in
/// 64 % of 4,000 runs. So the level falls with each doubling of the traffic: it is `ALARMS / (k (k + 1))` at the doubling `k`,
/// which adds up to `ALARMS` (alpha spending; DeMets and Lan, 1994). Looks between two doublings are not independent, but
/// add something: the same simulation raised a false alarm in 1.9 % of the runs.
const ALARMS: f64 = 0.01;

/// The variance of the failed requests of one side up to which the exact test is computed. Its steps grow with the square root,
/// and its rounding with the counts, which may be those of a hostile sidecar. From here on, the normal distribution gives the
/// same within 0.01 % up to five standard deviations.
const EXACT_VARIANCE_MAX: f64 = 1e6;

/// The traffic of one side.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// Requests.
    pub requests: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// How long the others took.
    pub latency: &'a Histogram,
}

/// What two sides have in common, or not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    /// Whether the error rates differ, by Fisher's exact test.
    pub errors: Finding,
    /// Whether the latencies differ, by the rank test of Mann and Whitney.
    pub latency: Finding,
}

/// The result of one test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Finding {
    /// What can be said.
    pub verdict: Verdict,
    /// The two-sided p value: how often chance alone makes such a difference, or a larger one, between equal sides.
    pub p: f64,
    /// The p value below which the sides differ. It falls with the traffic, because people look more than once.
    pub level: f64,
    /// Observations of the first and of the second side.
    pub samples: (u64, u64),
}

/// Whether two sides differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// One side has fewer than [`REQUESTS_MIN`] observations.
    TooFew,
    /// No difference was found. There may be a small one.
    NotShown,
    /// The first side has more: its error rate, or its latency, is higher.
    FirstHigher,
    /// The second side has more.
    SecondHigher,
}

impl<'a> Side<'a> {
    /// The traffic that was counted here.
    pub fn from_golden(golden: &'a GoldenMetrics) -> Self {
        Self { requests: golden.served(), failed: golden.failed, latency: &golden.latency }
    }
}

impl Comparison {
    /// Compares two sides.
    pub fn of(first: Side<'_>, second: Side<'_>) -> Self {
        Self { errors: errors(first, second), latency: latency(first.latency, second.latency) }
    }
}

impl Finding {
    /// `excess` is above zero if the first side has more.
    fn new(p: f64, excess: f64, samples: (u64, u64)) -> Self {
        let fewest = samples.0.min(samples.1);
        let level = level_at(fewest);
        let verdict = match fewest {
            ..REQUESTS_MIN => Verdict::TooFew,
            _ if p >= level => Verdict::NotShown,
            _ if excess > 0.0 => Verdict::FirstHigher,
            _ => Verdict::SecondHigher,
        };
        Self { verdict, p, level, samples }
    }
}

/// The level of a look at so many observations of the smaller side.
fn level_at(fewest: u64) -> f64 {
    let doubling = f64::from((fewest / REQUESTS_MIN).max(1).ilog2() + 1);
    ALARMS / (doubling * (doubling + 1.0))
}

fn errors(first: Side<'_>, second: Side<'_>) -> Finding {
    let (failed, others) = (first.failed.min(first.requests), second.failed.min(second.requests));
    let rate = |failed: u64, requests: u64| failed as f64 / requests.max(1) as f64;
    let p = fisher((failed, first.requests), (others, second.requests));
    Finding::new(p, rate(failed, first.requests) - rate(others, second.requests), (first.requests, second.requests))
}

fn latency(first: &Histogram, second: &Histogram) -> Finding {
    let (p, excess) = mann_whitney(first, second);
    Finding::new(p, excess, (first.count(), second.count()))
}

/// Fisher's exact test, or the normal distribution where the variance is larger than [`EXACT_VARIANCE_MAX`].
fn fisher(ours: (u64, u64), theirs: (u64, u64)) -> f64 {
    let (distance, variance) = spread(ours, theirs);
    if variance > EXACT_VARIANCE_MAX { two_tails(distance, variance) } else { exact_fisher(ours, theirs) }
}

/// How far the failed requests of the first side are from what these margins let expect, and their variance (that of the
/// hypergeometric distribution).
fn spread((failed, requests): (u64, u64), (other_failed, other_requests): (u64, u64)) -> (f64, f64) {
    let (ours, theirs) = (requests as f64, other_requests as f64);
    let (drawn, all) = (failed as f64 + other_failed as f64, (ours + theirs).max(1.0));
    let variance = ours * (theirs / all) * (drawn / all) * ((all - drawn) / (all - 1.0).max(1.0));
    ((failed as f64 - ours * (drawn / all)).abs(), variance)
}

/// Fisher's exact test, two-sided: the probability, with these margins, of all tables that are at most as likely as this one
/// (Fisher, Statistical Methods for Research Workers, section 21.02; the two-sided form is that of Freeman and Halton, 1951,
/// which R's `fisher.test` and `scipy.stats.fisher_exact` compute, too).
///
/// The tails are summed outwards from their ends, so even the tables of millions of requests cost a few thousand steps, and
/// small values keep their digits.
fn exact_fisher((failed, requests): (u64, u64), (other_failed, other_requests): (u64, u64)) -> f64 {
    let (ours, theirs) = (requests as f64, other_requests as f64);
    let (drawn, all) = (failed as f64 + other_failed as f64, ours + theirs);
    let (lowest, highest) = ((drawn - theirs).max(0.0), drawn.min(ours));
    let of_all = ln_choose(all, drawn);
    let ln_chance = |x: f64| ln_choose(ours, x) + ln_choose(theirs, drawn - x) - of_all;
    // Equally likely tables must count as such in spite of rounding, which grows with the logarithms.
    let tolerance = 1e-7 + 8.0 * f64::EPSILON * libm::lgamma(all + 1.0);
    let limit = ln_chance(failed as f64) + tolerance;
    let mode = ((drawn + 1.0) * (ours + 1.0) / (all + 2.0)).floor().clamp(lowest, highest);
    if ln_chance(mode) <= limit {
        return 1.0;
    }
    // The chances rise up to the mode and fall behind it, so each tail ends at one table.
    let tail = |end: f64, step: f64| {
        let (mut outside, mut inside) = (end - step, mode);
        while (inside - outside).abs() > 1.0 {
            let middle = f64::midpoint(inside, outside).floor();
            if ln_chance(middle) <= limit { outside = middle } else { inside = middle }
        }
        let (mut sum, mut x) = (0.0, outside);
        while (lowest..=highest).contains(&x) {
            let chance = ln_chance(x).exp();
            sum += chance;
            if chance <= sum * f64::EPSILON {
                break;
            }
            x -= step;
        }
        sum
    };
    (tail(lowest, 1.0) + tail(highest, -1.0)).min(1.0)
}

fn ln_choose(n: f64, k: f64) -> f64 {
    libm::lgamma(n + 1.0) - libm::lgamma(k + 1.0) - libm::lgamma(n - k + 1.0)
}

/// The rank test of Mann and Whitney (1947), two-sided: returns p, and by how much a value of the first side tends to be above
/// one of the second, from -0.5 to 0.5.
///
/// The values of a bucket are ties, and have its middle rank. U is then nearly normal, with the variance for ties of Lehmann
/// (Nonparametrics, 1975, section 1.2), and half a step less for continuity, as in `scipy.stats.mannwhitneyu`. With the
/// observations that a verdict needs, the exact distribution would give the same. A difference within a bucket, 9 %, is not seen.
fn mann_whitney(first: &Histogram, second: &Histogram) -> (f64, f64) {
    let (ours, theirs) = (first.count() as f64, second.count() as f64);
    if ours == 0.0 || theirs == 0.0 {
        return (1.0, 0.0);
    }
    let (mut below, mut ranks, mut surplus) = (0.0, 0.0, 0.0);
    for (of_first, of_second) in merged(first, second) {
        let tied = of_first as f64 + of_second as f64;
        ranks += of_first as f64 * (below + f64::midpoint(tied, 1.0));
        surplus += tied * tied * tied - tied;
        below += tied;
    }
    let (all, pairs) = (ours + theirs, ours * theirs);
    let u = ranks - ours * (ours + 1.0) / 2.0;
    let variance = pairs / 12.0 * ((all + 1.0) - surplus / (all * (all - 1.0)));
    let p = if variance > 0.0 { two_tails((u - pairs / 2.0).abs(), variance) } else { 1.0 };
    // Rounding must not make it more than certain.
    (p, (u / pairs - 0.5).clamp(-0.5, 0.5))
}

/// Twice the upper tail of a normal distribution from this distance of its mean on, half a step less for continuity.
fn two_tails(distance: f64, variance: f64) -> f64 {
    libm::erfc((distance - 0.5).max(0.0) / variance.sqrt() / std::f64::consts::SQRT_2)
}

/// The counts of both histograms for each bucket that either has, lowest first.
fn merged(first: &Histogram, second: &Histogram) -> Vec<(u64, u64)> {
    let mut merged = vec![(first.zeros(), second.zeros())];
    let (mut ours, mut theirs) = (first.buckets().peekable(), second.buckets().peekable());
    while let Some(index) = ours.peek().into_iter().chain(theirs.peek()).map(|(index, _)| *index).min() {
        let of_first = ours.next_if(|(at, _)| *at == index).map_or(0, |(_, count)| count);
        let of_second = theirs.next_if(|(at, _)| *at == index).map_or(0, |(_, count)| count);
        merged.push((of_first, of_second));
    }
    merged
}

#[cfg(test)]
mod tests;
