//! Decides which exchanges are exported as spans, as `OTEL_TRACES_SAMPLER` says.

use mesh::trace::{TraceId, Traceparent};
use rand::RngExt;

/// The last seven bytes of a trace id are random (W3C Trace Context, level 2); a share is a part of their range.
const RANDOM_BITS: u32 = 56;

/// Bit 0 of a `traceparent`'s flags.
const SAMPLED: u8 = 1;

/// A sampler. By default it follows the caller's decision, and samples everything without one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampler {
    /// Whether the caller's decision counts.
    pub follows: Follows,
    /// The share that is sampled otherwise.
    pub share: SampleRatio,
}

/// Whether the sampler follows the caller's decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follows {
    /// It does, if the request has one (`parentbased_…`).
    Parent,
    /// It decides by itself.
    Own,
}

/// The share of all traces that is sampled, from 0 to 1. The trace id decides, so that all services agree.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SampleRatio(f64);

impl Sampler {
    /// The sampler of that name, with that argument; `None` if there is none.
    pub fn from_name(name: &str, share: Option<f64>) -> Option<Self> {
        let (follows, name) = match name.strip_prefix("parentbased_") {
            Some(name) => (Follows::Parent, name),
            None => (Follows::Own, name),
        };
        let share = match name {
            "always_on" => 1.0,
            "always_off" => 0.0,
            "traceidratio" => share.unwrap_or(1.0),
            _ => return None,
        };
        (0.0..=1.0).contains(&share).then_some(Self { follows, share: SampleRatio(share) })
    }

    /// Whether an exchange is sampled.
    pub fn samples(&self, parent: Option<Traceparent>) -> bool {
        match parent {
            Some(parent) if self.follows == Follows::Parent => parent.flags & SAMPLED != 0,
            Some(parent) => random_part(parent.trace) >= self.share.threshold(),
            None => rand::rng().random_range(0..1_u64 << RANDOM_BITS) >= self.share.threshold(),
        }
    }

    /// A new trace id for a sampled exchange without one: an id that is in the share.
    pub fn new_trace(&self) -> TraceId {
        let threshold = self.share.threshold().min((1 << RANDOM_BITS) - 1);
        let mut bytes: [u8; 16] = rand::rng().random();
        let random = rand::rng().random_range(threshold..1 << RANDOM_BITS);
        bytes[9..].copy_from_slice(&random.to_be_bytes()[1..]);
        bytes[0] |= 1; // All zero would not be a valid id.
        TraceId::from_bytes(bytes).expect("a bit of it is set")
    }
}

impl Default for Sampler {
    fn default() -> Self {
        Self { follows: Follows::Parent, share: SampleRatio(1.0) }
    }
}

impl SampleRatio {
    fn threshold(self) -> u64 {
        ((1.0 - self.0) * (1_u64 << RANDOM_BITS) as f64) as u64
    }
}

fn random_part(trace: TraceId) -> u64 {
    let mut bytes = [0; 8];
    bytes[1..].copy_from_slice(&trace.bytes()[9..]);
    u64::from_be_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parent(last: &str, flags: &str) -> Option<Traceparent> {
        Traceparent::parse(format!("00-4bf92f3577b34da6a3{last}-00f067aa0ba902b7-{flags}").as_bytes())
    }

    #[test]
    fn each_name_decides_as_it_says() {
        let (low, high) = ("00000000000000", "ffffffffffffff");
        for (name, share, last, flags, is_sampled) in [
            ("always_on", None, low, "00", true),
            ("always_off", None, high, "01", false),
            ("traceidratio", Some(0.25), "bfffffffffffff", "01", false),
            ("traceidratio", Some(0.25), "c0000000000000", "00", true),
            ("traceidratio", Some(0.0), high, "01", false),
            ("traceidratio", Some(1.0), low, "00", true),
            ("traceidratio", None, low, "00", true),
            ("parentbased_always_on", None, low, "00", false),
            ("parentbased_always_off", None, low, "01", true),
            ("parentbased_traceidratio", Some(0.5), high, "00", false),
        ] {
            let sampler = Sampler::from_name(name, share).unwrap();
            assert_eq!(sampler.samples(parent(last, flags)), is_sampled, "{name} {share:?} of {last} {flags}");
        }
    }

    #[test]
    fn without_a_decision_of_the_caller_the_ratio_decides() {
        assert!(Sampler::default().samples(None));
        assert!(!Sampler::from_name("parentbased_always_off", None).unwrap().samples(None));
        let some = Sampler::from_name("parentbased_traceidratio", Some(0.25)).unwrap();
        let sampled = (0..4000).filter(|_| some.samples(None)).count();
        assert!((700..1300).contains(&sampled), "{sampled} of 4000 are no quarter");
    }

    #[test]
    fn a_trace_that_begins_here_is_in_the_share_for_everybody() {
        let quarter = Sampler::from_name("traceidratio", Some(0.25)).unwrap();
        for _ in 0..1000 {
            assert!(random_part(quarter.new_trace()) >= quarter.share.threshold());
        }
    }

    #[test]
    fn what_is_no_sampler_is_none() {
        for (name, share) in [("jaeger_remote", None), ("", None), ("traceidratio", Some(1.5)), ("traceidratio", Some(f64::NAN))]
        {
            assert_eq!(Sampler::from_name(name, share), None, "{name} {share:?}");
        }
    }
}
