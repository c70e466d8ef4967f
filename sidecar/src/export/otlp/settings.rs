//! The settings from OpenTelemetry's standard variables, as far as a sidecar uses them.

use std::fmt;
use std::time::Duration;

use tonic::metadata::{Ascii, MetadataKey, MetadataValue};
use tonic::transport::Uri;

use crate::export::otlp::sampler::Sampler;

/// The most headers, and the most attributes. More are not needed, and each is sent with every message.
pub const PAIRS_MAX: usize = 64;

/// Where to export to, what, and how.
#[derive(Clone)]
pub struct OtlpSettings {
    /// The collector.
    pub endpoint: Uri,
    /// Sent with every message; usually for authentication.
    pub headers: Vec<(MetadataKey<Ascii>, MetadataValue<Ascii>)>,
    /// How long the collector may take.
    pub timeout: Duration,
    /// Whether spans are exported.
    pub traces: Signal,
    /// Which exchanges are exported as spans.
    pub sampler: Sampler,
    /// Whether metrics are exported.
    pub metrics: Signal,
    /// How often metrics are exported.
    pub metrics_interval: Duration,
    /// Resource attributes that add to or replace those that Sitio knows.
    pub resource: Vec<(String, String)>,
}

/// Whether a kind of telemetry is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// It is exported.
    On,
    /// It is not exported.
    Off,
}

impl fmt::Debug for OtlpSettings {
    /// Never shows the values of headers, which may contain a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Settings")
            .field("endpoint", &self.endpoint)
            .field("headers", &names)
            .field("timeout", &self.timeout)
            .field("traces", &self.traces)
            .field("sampler", &self.sampler)
            .field("metrics", &self.metrics)
            .field("metrics_interval", &self.metrics_interval)
            .field("resource", &self.resource)
            .finish()
    }
}

/// Parses pairs such as `a=1,b=2`. Values may contain bytes as `%2C` (W3C Baggage, as OpenTelemetry uses it).
pub fn pairs(value: &str) -> Option<Vec<(String, String)>> {
    let parts = value.split(',').map(str::trim).filter(|part| !part.is_empty());
    let pairs: Option<Vec<_>> = parts
        .map(|part| {
            let (key, value) = part.split_once('=')?;
            let key = key.trim();
            (!key.is_empty()).then_some(())?;
            Some((key.to_owned(), unescaped(value.trim())?))
        })
        .collect();
    pairs.filter(|pairs| pairs.len() <= PAIRS_MAX)
}

/// Parses pairs as headers.
pub fn headers(value: &str) -> Option<Vec<(MetadataKey<Ascii>, MetadataValue<Ascii>)>> {
    let header = |(name, value): (String, String)| Some((name.to_ascii_lowercase().parse().ok()?, value.parse().ok()?));
    pairs(value)?.into_iter().map(header).collect()
}

fn unescaped(value: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = after;
        if *byte == b'%' {
            let (digits, after) = rest.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = after;
        } else {
            bytes.push(*byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_read_as_they_are_meant() {
        let own =
            |pairs: &[(&str, &str)]| Some(pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect::<Vec<_>>());
        assert_eq!(pairs("a=1, b = x=y ,"), own(&[("a", "1"), ("b", "x=y")]));
        assert_eq!(pairs("a=b%2Cc%20d"), own(&[("a", "b,c d")]));
        assert_eq!(pairs(""), own(&[]));
        for wrong in ["a", "=1", "a=%2", "a=%zz", "a=%ff", &"a=1,".repeat(PAIRS_MAX + 1)] {
            assert_eq!(pairs(wrong), None, "{wrong}");
        }
        assert!(headers("api-key=secret").is_some());
        assert!(headers("api key=secret").is_none() && headers("a=%0A").is_none());
    }
}
