//! The settings from OpenTelemetry's standard variables, as far as a sidecar uses them.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use tonic::metadata::{Ascii, MetadataKey, MetadataValue};
use tonic::transport::Uri;

use crate::export::otlp::sampler::Sampler;
use crate::setting_values::{grpc_url, milliseconds, name, readable};
use crate::tls::{ClientTls, Roots};

/// The most headers, and the most attributes. More are not needed, and each is sent with every message.
const PAIRS_MAX: usize = 64;

/// The shortest export interval of metrics.
const METRICS_INTERVAL_MIN: Duration = Duration::from_millis(100);

/// Where to export to, what, and how. The defaults are those of the OpenTelemetry specification.
#[derive(Debug, Clone, Args)]
pub struct OtlpSettings {
    /// The collector.
    #[arg(long = "otlp-endpoint", env = "OTEL_EXPORTER_OTLP_ENDPOINT", hide = true, required = false, value_parser = collector)]
    pub endpoint: Uri,
    /// The protocol; only `grpc` is supported.
    #[arg(long = "otlp-protocol", env = "OTEL_EXPORTER_OTLP_PROTOCOL", hide = true, default_value = "grpc", value_parser = grpc)]
    otlp_protocol: String,
    /// Sent with every message; usually for authentication.
    #[arg(long = "otlp-headers", env = "OTEL_EXPORTER_OTLP_HEADERS", hide = true, default_value = "", value_parser = headers)]
    pub headers: ExportHeaders,
    /// How long the collector may take.
    #[arg(long = "otlp-timeout", env = "OTEL_EXPORTER_OTLP_TIMEOUT", hide = true, default_value = "10000", value_parser = milliseconds)]
    pub timeout: Duration,
    /// The CA certificates by which the collector is verified.
    #[arg(long = "otlp-certificate", env = "OTEL_EXPORTER_OTLP_CERTIFICATE", hide = true, value_parser = readable)]
    certificate: Option<PathBuf>,
    /// The sidecar's own certificate for the collector.
    #[arg(long = "otlp-client-certificate", env = "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", hide = true, value_parser = readable, requires = "client_key")]
    client_certificate: Option<PathBuf>,
    /// Its private key.
    #[arg(long = "otlp-client-key", env = "OTEL_EXPORTER_OTLP_CLIENT_KEY", hide = true, value_parser = readable, requires = "client_certificate")]
    client_key: Option<PathBuf>,
    /// Whether spans are exported.
    #[arg(long = "otlp-traces", env = "OTEL_TRACES_EXPORTER", hide = true, default_value = "otlp")]
    pub traces: Signal,
    /// The name of the sampler.
    #[arg(long = "otlp-sampler", env = "OTEL_TRACES_SAMPLER", hide = true, default_value = "parentbased_always_on", value_parser = sampler_name)]
    sampler_name: String,
    /// The ratio of a sampler that has one.
    #[arg(long = "otlp-sampler-arg", env = "OTEL_TRACES_SAMPLER_ARG", hide = true, default_value = "1", value_parser = ratio)]
    sampler_ratio: f64,
    /// Whether metrics are exported.
    #[arg(long = "otlp-metrics", env = "OTEL_METRICS_EXPORTER", hide = true, default_value = "otlp")]
    pub metrics: Signal,
    /// How often metrics are exported.
    #[arg(long = "otlp-interval", env = "OTEL_METRIC_EXPORT_INTERVAL", hide = true, default_value = "60000", value_parser = metrics_interval)]
    pub metrics_interval: Duration,
    /// Resource attributes that add to or replace those that Sitio knows.
    #[arg(long = "otlp-resource", env = "OTEL_RESOURCE_ATTRIBUTES", hide = true, default_value = "", value_parser = resource)]
    resource: Attributes,
    /// The service's name as a resource attribute.
    #[arg(long = "otlp-service", env = "OTEL_SERVICE_NAME", hide = true, value_parser = name)]
    service_name: Option<String>,
    /// Whether nothing is exported. It is read before all others.
    #[arg(long = "otlp-disabled", env = "OTEL_SDK_DISABLED", hide = true)]
    disabled: Option<String>,
}

/// Names and values of resource attributes.
type Attributes = Vec<(String, String)>;

/// Fields that are sent with every message. Their values may contain a key, so they are never shown.
#[derive(Clone, Default)]
pub struct ExportHeaders(pub Vec<(MetadataKey<Ascii>, MetadataValue<Ascii>)>);

impl OtlpSettings {
    /// Which exchanges are exported as spans.
    pub fn sampler(&self) -> Sampler {
        Sampler::from_name(&self.sampler_name, Some(self.sampler_ratio)).unwrap_or_default()
    }

    /// How the collector is verified.
    pub fn tls(&self) -> ClientTls {
        let roots = self.certificate.clone().map_or(Roots::System, Roots::File);
        ClientTls { roots, identity: self.client_certificate.clone().zip(self.client_key.clone()) }
    }

    /// The resource attributes; the service's name has a variable of its own.
    pub fn resource(&self) -> Attributes {
        let mut resource = self.resource.clone();
        if let Some(service) = &self.service_name {
            resource.retain(|(key, _)| key != "service.name");
            resource.push(("service.name".to_owned(), service.clone()));
        }
        resource
    }
}

/// Whether a kind of telemetry is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// It is exported.
    On,
    /// It is not exported.
    Off,
}

impl FromStr for Signal {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        match text {
            "otlp" => Ok(Self::On),
            "none" => Ok(Self::Off),
            _ => Err("otlp or none"),
        }
    }
}

impl fmt::Debug for ExportHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name.as_str())).finish()
    }
}

fn collector(value: &str) -> Result<Uri, String> {
    grpc_url(value, "http://127.0.0.1:4317")
}

fn grpc(value: &str) -> Result<String, &'static str> {
    if value == "grpc" { Ok(value.to_owned()) } else { Err("grpc, the only supported protocol") }
}

fn sampler_name(value: &str) -> Result<String, &'static str> {
    let sampler = Sampler::from_name(value, None);
    sampler.map(|_| value.to_owned()).ok_or("always_on, always_off or traceidratio, with parentbased_ before it or not")
}

fn ratio(value: &str) -> Result<f64, &'static str> {
    value.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio)).ok_or("a ratio from 0 to 1")
}

fn metrics_interval(value: &str) -> Result<Duration, String> {
    milliseconds(value).map(|interval| interval.max(METRICS_INTERVAL_MIN))
}

fn resource(value: &str) -> Result<Attributes, String> {
    pairs(value).ok_or_else(some_pairs)
}

/// Parses pairs as headers.
fn headers(value: &str) -> Result<ExportHeaders, String> {
    let header = |(name, value): (String, String)| Some((name.to_ascii_lowercase().parse().ok()?, value.parse().ok()?));
    let headers = pairs(value).and_then(|pairs| pairs.into_iter().map(header).collect());
    headers.map(ExportHeaders).ok_or_else(some_pairs)
}

fn some_pairs() -> String {
    format!("at most {PAIRS_MAX} pairs such as a=1,b=2")
}

/// Parses pairs such as `a=1,b=2`. Values may contain bytes as `%2C` (W3C Baggage, as OpenTelemetry uses it).
fn pairs(value: &str) -> Option<Vec<(String, String)>> {
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
        assert!(headers("api-key=secret").is_ok());
        assert!(headers("api key=secret").is_err() && headers("a=%0A").is_err());
    }
}
