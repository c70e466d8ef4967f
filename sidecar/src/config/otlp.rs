//! Reads the standard OpenTelemetry variables. Nothing is exported unless they name a collector.

use std::time::Duration;

use tonic::transport::Uri;

use crate::config::settings::{EnvSettings, Expected, Wrong};
use crate::config::values;
use crate::export::otlp::sampler::Sampler;
use crate::export::otlp::settings;
use crate::export::otlp::settings::{PAIRS_MAX, Signal};

/// The default of the OpenTelemetry specification.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The default of the OpenTelemetry specification.
const METRICS_INTERVAL: Duration = Duration::from_secs(60);

/// The shortest export interval of metrics.
const METRICS_INTERVAL_MIN: Duration = Duration::from_millis(100);

/// Reads the collector and what to export to it, if there is one.
pub(super) fn otlp(told: &mut EnvSettings) -> Result<Option<settings::OtlpSettings>, Wrong> {
    let endpoint = told.value(None, &["OTEL_EXPORTER_OTLP_ENDPOINT"]).parse(collector)?;
    let is_disabled = told.value(None, &["OTEL_SDK_DISABLED"]).parse(|value| Ok(value.eq_ignore_ascii_case("true")))?;
    let Some(endpoint) = endpoint.filter(|_| is_disabled != Some(true)) else { return Ok(None) };
    told.value(None, &["OTEL_EXPORTER_OTLP_PROTOCOL"]).parse(grpc)?;
    let share = told.value(None, &["OTEL_TRACES_SAMPLER_ARG"]);
    let share = share.parse(|value| value.parse().ok().filter(|share| (0.0..=1.0).contains(share)).ok_or_else(a_share))?;
    let named = |name: &str| Sampler::named(name, share).ok_or_else(|| values::expected(SAMPLERS));
    let mut resource =
        told.value(None, &["OTEL_RESOURCE_ATTRIBUTES"]).parse(|value| settings::pairs(value).ok_or_else(some_pairs))?;
    if let Some(service) = told.value(None, &["OTEL_SERVICE_NAME"]).parse(values::name)? {
        let resource = resource.get_or_insert_default();
        resource.retain(|(key, _)| key != "service.name");
        resource.push(("service.name".to_owned(), service));
    }
    let headers = told.value(None, &["OTEL_EXPORTER_OTLP_HEADERS"]).secret();
    Ok(Some(settings::OtlpSettings {
        endpoint,
        headers: headers.parse(|value| settings::headers(value).ok_or_else(some_pairs))?.unwrap_or_default(),
        timeout: told.value(None, &["OTEL_EXPORTER_OTLP_TIMEOUT"]).parse(milliseconds)?.unwrap_or(TIMEOUT),
        traces: told.value(None, &["OTEL_TRACES_EXPORTER"]).parse(signal)?.unwrap_or(Signal::On),
        sampler: told.value(None, &["OTEL_TRACES_SAMPLER"]).parse(named)?.unwrap_or_default(),
        metrics: told.value(None, &["OTEL_METRICS_EXPORTER"]).parse(signal)?.unwrap_or(Signal::On),
        metrics_interval: told
            .value(None, &["OTEL_METRIC_EXPORT_INTERVAL"])
            .parse(milliseconds)?
            .map_or(METRICS_INTERVAL, |interval| interval.max(METRICS_INTERVAL_MIN)),
        resource: resource.unwrap_or_default(),
    }))
}

const SAMPLERS: &str = "always_on, always_off or traceidratio, with parentbased_ before it or not";

fn collector(value: &str) -> Result<Uri, Expected> {
    let uri: Uri = value.parse().map_err(|_| values::expected("a URL such as http://127.0.0.1:4317"))?;
    match (uri.scheme_str(), uri.host()) {
        (Some("http"), Some(_)) => Ok(uri),
        (Some("https"), _) => Err(values::expected("http://, because this version does not speak TLS to a collector")),
        _ => Err(values::expected("a URL such as http://127.0.0.1:4317")),
    }
}

fn grpc(value: &str) -> Result<(), Expected> {
    if value == "grpc" { Ok(()) } else { Err(values::expected("grpc, which is the one protocol that this version speaks")) }
}

fn signal(value: &str) -> Result<Signal, Expected> {
    match value {
        "otlp" => Ok(Signal::On),
        "none" => Ok(Signal::Off),
        _ => Err(values::expected("otlp or none")),
    }
}

fn milliseconds(value: &str) -> Result<Duration, Expected> {
    let duration = value.parse().ok().filter(|ms| *ms > 0).map(Duration::from_millis);
    duration.filter(|duration| *duration <= values::DURATION_MAX).ok_or_else(|| values::expected("milliseconds, at most a day"))
}

fn a_share() -> Expected {
    values::expected("a share from 0 to 1")
}

fn some_pairs() -> Expected {
    values::expected(format!("at most {PAIRS_MAX} pairs such as a=1,b=2"))
}
