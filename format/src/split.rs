//! Whether the two sides of a split differ, as a sentence for people.

use mesh::comparison::{Comparison, Finding, REQUESTS_MIN, Verdict};

use crate::number;

/// What is compared between two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// The share of failed requests.
    Errors,
    /// The time to the end of the response.
    Latency,
}

/// A sentence about the error rates, and one about the latencies.
pub fn findings(comparison: &Comparison) -> [String; 2] {
    [finding(Measure::Errors, &comparison.errors), finding(Measure::Latency, &comparison.latency)]
}

/// A sentence about one finding: the first side is the service's own, the second one the other address.
pub fn finding(measure: Measure, finding: &Finding) -> String {
    let (own, other) = finding.samples;
    let (subject, more) = match measure {
        Measure::Errors => ("The error rates", "fails more often"),
        Measure::Latency => ("The latencies", "is slower"),
    };
    let about = format!("p {}, level {}", p_value(finding.p), p_value(finding.level));
    let samples = format!("{} and {} requests", number::count(own), number::count(other));
    match finding.verdict {
        Verdict::TooFew => {
            format!("{subject} cannot be compared yet: {samples}, and a verdict needs {REQUESTS_MIN} on each side.")
        }
        Verdict::NotShown => format!("{subject} are not shown to differ ({about}, {samples})."),
        Verdict::FirstHigher => format!("{subject} differ: the service itself {more} ({about}, {samples})."),
        Verdict::SecondHigher => format!("{subject} differ: the other address {more} ({about}, {samples})."),
    }
}

/// A probability with two digits that count.
fn p_value(p: f64) -> String {
    match p {
        p if p < 0.0001 => "below 0.0001".to_owned(),
        p if p < 0.01 => format!("{p:.4}"),
        p => format!("{p:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(verdict: Verdict, p: f64) -> Finding {
        Finding { verdict, p, level: 0.005, samples: (1812, 203) }
    }

    #[test]
    fn each_verdict_is_a_sentence_with_its_figures() {
        let errors = |verdict, p| finding(Measure::Errors, &found(verdict, p));
        assert_eq!(
            errors(Verdict::SecondHigher, 1e-9),
            "The error rates differ: the other address fails more often (p below 0.0001, level 0.0050, 1,812 and 203 requests)."
        );
        assert!(errors(Verdict::NotShown, 0.437).contains("are not shown to differ (p 0.44, level"));
        assert!(errors(Verdict::TooFew, 1.0).contains("a verdict needs 200 on each side"));
        let latency = finding(Measure::Latency, &found(Verdict::FirstHigher, 0.001));
        assert!(latency.starts_with("The latencies differ: the service itself is slower (p 0.0010"), "{latency}");
    }
}
