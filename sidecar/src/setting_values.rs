//! Parses the values of settings. Each error says what was expected.

use std::fmt::Display;
use std::fs::File;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use mesh::routes::route_patterns::{PINS_MAX, Pattern};
use mesh::workload::{ADDRESSES_MAX, NAME_BYTES_MAX};
use tonic::transport::Uri;

/// Paths that no rule may turn off. The control plane accepts 32; Kubernetes has three kinds of probe.
const PROTECTED_MAX: usize = 32;

/// The longest duration that a setting may have.
pub(crate) const DURATION_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The shortest interval at which statistics are printed.
const INTERVAL_MIN: Duration = Duration::from_millis(100);

/// A time limit, or none if the setting is `off`.
pub(crate) type TimeLimit = Option<Duration>;

/// A list of paths in one setting.
pub(crate) type Paths = Vec<String>;

/// A list of route patterns in one setting.
pub(crate) type Patterns = Vec<Pattern>;

/// A list of addresses in one setting.
pub(crate) type Addresses = Vec<IpAddr>;

pub(crate) fn number<T: FromStr + PartialOrd + Display>(value: &str, range: &RangeInclusive<T>) -> Result<T, String> {
    let number = value.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("a number from {} to {}", range.start(), range.end()))
}

pub(crate) fn address(value: &str) -> Result<IpAddr, String> {
    value.parse().map_err(|_| "an IP address such as 0.0.0.0 or 127.0.0.1".to_owned())
}

/// The pod's own addresses, separated by commas, as Kubernetes formats `status.podIPs`.
pub(crate) fn addresses(value: &str) -> Result<Addresses, String> {
    let addresses: Vec<IpAddr> = value
        .split(',')
        .map(|address| address.trim().parse::<IpAddr>().ok())
        .map(|address| address.filter(|address| !address.is_unspecified() && !address.is_multicast()))
        .collect::<Option<_>>()
        .ok_or_else(|| "the pod's IP address, or several with a comma between: 10.0.0.7,fd00::7".to_owned())?;
    if addresses.len() > ADDRESSES_MAX {
        return Err(format!("{ADDRESSES_MAX} addresses at most"));
    }
    Ok(addresses)
}

/// The URL of a gRPC server; `example` shows its form in the error.
pub(crate) fn grpc_url(value: &str, example: &str) -> Result<Uri, String> {
    let uri: Option<Uri> = value.parse().ok();
    match uri.as_ref().map(|uri| (uri.scheme_str(), uri.host())) {
        Some((Some("http" | "https"), Some(_))) => uri.ok_or_else(|| format!("a URL such as {example}")),
        _ => Err(format!("a URL such as {example}")),
    }
}

pub(crate) fn name(value: &str) -> Result<String, String> {
    if value.len() > NAME_BYTES_MAX {
        return Err(format!("a name of at most {NAME_BYTES_MAX} bytes, and this one has {}", value.len()));
    }
    if value.chars().any(char::is_control) {
        return Err("a name without control characters, such as line ends".to_owned());
    }
    Ok(value.to_owned())
}

pub(crate) fn paths(value: &str) -> Result<Paths, String> {
    let paths: Vec<String> = value.split(',').map(|path| path.trim().to_owned()).filter(|path| !path.is_empty()).collect();
    if paths.len() > PROTECTED_MAX {
        return Err(format!("at most {PROTECTED_MAX} paths, and these are {}", paths.len()));
    }
    if !paths.iter().all(|path| path.starts_with('/')) {
        return Err("paths that begin with /, separated by commas".to_owned());
    }
    for path in &paths {
        name(path).map_err(|_| format!("paths of at most {NAME_BYTES_MAX} bytes without control characters"))?;
    }
    Ok(paths)
}

/// Route patterns, separated by commas; no two may match the same paths.
pub(crate) fn patterns(value: &str) -> Result<Patterns, String> {
    let texts = value.split(',').map(str::trim).filter(|text| !text.is_empty());
    let patterns = texts.map(Pattern::from_str).collect::<Result<Vec<_>, _>>().map_err(|why| format!("patterns: {why}"))?;
    if patterns.len() > PINS_MAX {
        return Err(format!("at most {PINS_MAX} patterns"));
    }
    for (at, pattern) in patterns.iter().enumerate() {
        if let Some(like) = patterns[..at].iter().find(|like| like.is_like(pattern)) {
            let (one, other) = (like.as_str(), pattern.as_str());
            return Err(format!("patterns that differ, and {one} and {other} recognise the same paths"));
        }
    }
    Ok(patterns)
}

pub(crate) fn duration(value: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(value).ok().filter(|duration| *duration <= DURATION_MAX);
    duration.ok_or_else(|| "a duration of at most a day, such as 5s or 500ms".to_owned())
}

/// Whole milliseconds, as OpenTelemetry's variables have them.
pub(crate) fn milliseconds(value: &str) -> Result<Duration, String> {
    let duration = value.parse().ok().filter(|ms| *ms > 0).map(Duration::from_millis);
    duration.filter(|duration| *duration <= DURATION_MAX).ok_or_else(|| "milliseconds, at most a day".to_owned())
}

/// A timeout, or `off`.
pub(crate) fn time_limit(value: &str) -> Result<TimeLimit, String> {
    if value == "off" {
        return Ok(None);
    }
    let limit = duration(value).ok().filter(|limit| !limit.is_zero());
    limit.map(Some).ok_or_else(|| "a duration of at most a day, such as 30s, or off".to_owned())
}

/// An interval, or `off`.
pub(crate) fn interval(value: &str) -> Result<TimeLimit, String> {
    if value == "off" {
        return Ok(None);
    }
    let interval = duration(value).ok().filter(|interval| *interval >= INTERVAL_MIN);
    interval.map(Some).ok_or_else(|| "an interval from 100ms to a day, such as 5s, or off".to_owned())
}

/// A file that can be read now.
pub(crate) fn readable(value: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(value);
    match File::open(&path).and_then(|file| file.metadata()) {
        Ok(metadata) if metadata.is_dir() => Err("a file, but this is a directory".to_owned()),
        Ok(_) => Ok(path),
        Err(why) => Err(format!("a file that can be read: {why}")),
    }
}
