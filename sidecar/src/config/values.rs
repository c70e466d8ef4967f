//! Parsers for the values of settings, each with an error that says what it expected.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use mesh::routes::route_patterns::{PINS_MAX, Pattern};
use mesh::workload::{ADDRESSES_MAX, NAME_BYTES_MAX};
use tonic::transport::Uri;
use tracing_subscriber::EnvFilter;

use crate::config::settings::Expected;
use crate::control_client::dial::read_token_file;
use crate::exchange::options::Queries;
use crate::forwarding::Forwarding;
use crate::protocol::{NoProtocol, Protocol};
use crate::target::{NoTarget, ServiceAddr};

/// More threads than any sidecar needs.
const WORKERS_MAX: usize = 64;

/// Paths that no rule may turn off. The control plane accepts 32; Kubernetes has three kinds of probe.
const PROTECTED_MAX: usize = 32;

/// The longest duration that a setting may have.
pub(super) const DURATION_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Access log lines per second. At a higher rate the single background thread would delay its other tasks.
const LINES_MAX: u32 = 50_000;

/// The shortest interval at which statistics are printed.
const INTERVAL_MIN: Duration = Duration::from_millis(100);

/// A port to listen on; 0 picks a free one.
pub(super) fn port(value: &str) -> Result<u16, Expected> {
    value.parse().map_err(|_| expected("a number from 0 to 65535"))
}

pub(super) fn port_to_dial(value: &str) -> Result<u16, Expected> {
    port(value).ok().filter(|port| *port != 0).ok_or_else(|| expected("a number from 1 to 65535"))
}

pub(super) fn target(value: &str) -> Result<ServiceAddr, Expected> {
    value.parse().map_err(|why: NoTarget| expected(why.to_string()))
}

pub(super) fn protocol(value: &str) -> Result<Protocol, Expected> {
    value.parse().map_err(|why: NoProtocol| expected(why.to_string()))
}

pub(super) fn address(value: &str) -> Result<IpAddr, Expected> {
    value.parse().map_err(|_| expected("an IP address such as 0.0.0.0 or 127.0.0.1"))
}

/// The pod's own addresses, separated by commas, as Kubernetes formats `status.podIPs`.
pub(super) fn addresses(value: &str) -> Result<Vec<IpAddr>, Expected> {
    let addresses: Vec<IpAddr> = value
        .split(',')
        .map(|address| address.trim().parse::<IpAddr>().ok())
        .map(|address| address.filter(|address| !address.is_unspecified() && !address.is_multicast()))
        .collect::<Option<_>>()
        .ok_or_else(|| expected("the pod's IP address, or several with a comma between: 10.0.0.7,fd00::7"))?;
    if addresses.len() > ADDRESSES_MAX {
        return Err(expected(format!("{ADDRESSES_MAX} addresses at most")));
    }
    Ok(addresses)
}

pub(super) fn control_plane(value: &str) -> Result<Uri, Expected> {
    let uri: Uri = value.parse().map_err(|_| expected("a URL such as http://127.0.0.1:8091"))?;
    match (uri.scheme_str(), uri.host()) {
        (Some("http"), Some(_)) => Ok(uri),
        (Some("https"), _) => Err(expected("http://, because this version does not speak TLS to the control plane")),
        _ => Err(expected("a URL such as http://127.0.0.1:8091")),
    }
}

pub(super) fn token(value: &str) -> Result<String, Expected> {
    mesh::token::token(value).map(str::to_owned).map_err(|why| expected(format!("a token, but {why}")))
}

/// A file that contains a token now. It is read again at each dial.
pub(super) fn token_file(value: &str) -> Result<PathBuf, Expected> {
    let path = readable(value)?;
    read_token_file(&path).map(|_| path).map_err(|why| expected(format!("a file with a token, but {why}")))
}

pub(super) fn page(value: &str) -> Result<NotFoundSetting, Expected> {
    if value == "built-in" { Ok(NotFoundSetting::BuiltIn) } else { readable(value).map(NotFoundSetting::File) }
}

pub(super) fn access_log(value: &str) -> Result<AccessLogFormat, Expected> {
    match value {
        "off" => Ok(AccessLogFormat::Off),
        "json" => Ok(AccessLogFormat::Json),
        _ => Err(expected("json or off")),
    }
}

pub(super) fn lines(value: &str) -> Result<u32, Expected> {
    let lines = value.parse().ok().filter(|lines| (1..=LINES_MAX).contains(lines));
    lines.ok_or_else(|| expected(format!("lines a second, from 1 to {LINES_MAX}")))
}

pub(super) fn name(value: &str) -> Result<String, Expected> {
    if value.len() > NAME_BYTES_MAX {
        return Err(expected(format!("a name of at most {NAME_BYTES_MAX} bytes, and this one has {}", value.len())));
    }
    if value.chars().any(char::is_control) {
        return Err(expected("a name without control characters, such as line ends"));
    }
    Ok(value.to_owned())
}

pub(super) fn workers(value: &str) -> Result<usize, Expected> {
    let count = value.parse().ok().filter(|count| (1..=WORKERS_MAX).contains(count));
    count.ok_or_else(|| expected(format!("a number from 1 to {WORKERS_MAX}")))
}

pub(super) fn paths(value: &str) -> Result<Vec<String>, Expected> {
    let paths: Vec<String> = value.split(',').map(|path| path.trim().to_owned()).filter(|path| !path.is_empty()).collect();
    if paths.len() > PROTECTED_MAX {
        return Err(expected(format!("at most {PROTECTED_MAX} paths, and these are {}", paths.len())));
    }
    if !paths.iter().all(|path| path.starts_with('/')) {
        return Err(expected("paths that begin with /, separated by commas"));
    }
    for path in &paths {
        name(path).map_err(|_| expected(format!("paths of at most {NAME_BYTES_MAX} bytes without control characters")))?;
    }
    Ok(paths)
}

/// Route patterns, separated by commas; no two may match the same paths.
pub(super) fn patterns(value: &str) -> Result<Vec<Pattern>, Expected> {
    let texts = value.split(',').map(str::trim).filter(|text| !text.is_empty());
    let patterns =
        texts.map(Pattern::from_str).collect::<Result<Vec<_>, _>>().map_err(|why| expected(format!("patterns: {why}")))?;
    if patterns.len() > PINS_MAX {
        return Err(expected(format!("at most {PINS_MAX} patterns")));
    }
    for (at, pattern) in patterns.iter().enumerate() {
        if let Some(like) = patterns[..at].iter().find(|like| like.is_like(pattern)) {
            let (one, other) = (like.as_str(), pattern.as_str());
            return Err(expected(format!("patterns that differ, and {one} and {other} recognise the same paths")));
        }
    }
    Ok(patterns)
}

pub(super) fn duration(value: &str) -> Result<Duration, Expected> {
    let duration = humantime::parse_duration(value).ok().filter(|duration| *duration <= DURATION_MAX);
    duration.ok_or_else(|| expected("a duration of at most a day, such as 5s or 500ms"))
}

/// A timeout, or `off`.
pub(super) fn limit(value: &str) -> Result<Option<Duration>, Expected> {
    if value == "off" {
        return Ok(None);
    }
    let limit = duration(value).ok().filter(|limit| !limit.is_zero());
    limit.map(Some).ok_or_else(|| expected("a duration of at most a day, such as 30s, or off"))
}

pub(super) fn connections(value: &str) -> Result<u32, Expected> {
    let connections = value.parse().ok().filter(|connections| *connections > 0);
    connections.ok_or_else(|| expected("a number of connections, at least 1"))
}

pub(super) fn queries(value: &str) -> Result<Queries, Expected> {
    match value {
        "keep" => Ok(Queries::Kept),
        "drop" => Ok(Queries::Dropped),
        _ => Err(expected("keep or drop")),
    }
}

/// Names of fields, separated by commas; `none` for none.
pub(super) fn forwarding(value: &str) -> Result<Forwarding, Expected> {
    let mut forwarding = Forwarding::default();
    let names = value.split(',').map(|name| name.trim().to_ascii_lowercase());
    let are_known = value == "none" || names.into_iter().all(|name| forwarding.choose(&name));
    if are_known {
        Ok(forwarding)
    } else {
        Err(expected(format!("some of {}, separated by commas, or none", Forwarding::NAMES.join(", "))))
    }
}

/// An interval, or `off`.
pub(super) fn interval(value: &str) -> Result<Option<Duration>, Expected> {
    if value == "off" {
        return Ok(None);
    }
    let interval = duration(value).ok().filter(|interval| *interval >= INTERVAL_MIN);
    interval.map(Some).ok_or_else(|| expected("an interval from 100ms to a day, such as 5s, or off"))
}

pub(super) fn log(value: &str) -> Result<String, Expected> {
    let why = |_| expected("directives such as info or sidecar=debug");
    EnvFilter::builder().parse(value).map(|_| value.to_owned()).map_err(why)
}

fn readable(value: &str) -> Result<PathBuf, Expected> {
    let path = PathBuf::from(value);
    match std::fs::File::open(&path).and_then(|file| file.metadata()) {
        Ok(metadata) if metadata.is_dir() => Err(expected("a file, and that is a folder")),
        Ok(_) => Ok(path),
        Err(why) => Err(expected(format!("a file that can be read: {why}"))),
    }
}

pub(super) fn expected(what: impl Into<String>) -> Expected {
    Box::new(what.into())
}

/// Which page replaces the service's 404.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotFoundSetting {
    /// The page that comes with Sitio.
    BuiltIn,
    /// The page in this file.
    File(PathBuf),
}

/// The format of the access log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessLogFormat {
    /// There is no access log.
    Off,
    /// One line of JSON per exchange.
    Json,
}
