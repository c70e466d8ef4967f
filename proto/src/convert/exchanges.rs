//! Encodes and decodes single exchanges: samples of reports, history pages and taps.

use std::net::IpAddr;

use mesh::exchange::{Exchange, Outcome, PATH_BYTES_MAX, REASON_BYTES_MAX};
use mesh::trace::TraceId;
use prost::Message;

use crate::convert::{InvalidMessage, text};
use crate::wire;

/// Bytes of a rule id.
const RULE_ID_BYTES_MAX: usize = 64;

/// Encodes an exchange, with its absolute start time.
pub fn sample(exchange: &Exchange) -> wire::Sample {
    wire::Sample {
        status: u32::from(exchange.status),
        took_us: exchange.took_us,
        first_byte_us: exchange.first_byte_us,
        bytes_in: exchange.bytes_in,
        bytes_out: exchange.bytes_out,
        trace_id: exchange.trace.map(|trace| trace.bytes().to_vec()).unwrap_or_default(),
        path: printable(&exchange.path),
        rule: exchange.rule.clone().unwrap_or_default(),
        outcome: wire::Outcome::from(exchange.outcome).into(),
        caller: match exchange.caller {
            None => Vec::new(),
            Some(IpAddr::V4(address)) => address.octets().to_vec(),
            Some(IpAddr::V6(address)) => address.octets().to_vec(),
        },
        reason: printable(&exchange.reason),
        started_ms: exchange.started_ms,
        ..wire::Sample::default()
    }
}

/// Decodes and validates an exchange.
pub fn exchange(sample: wire::Sample) -> Result<Exchange, InvalidMessage> {
    let rule = text("sample.rule", sample.rule, RULE_ID_BYTES_MAX)?;
    let status = u16::try_from(sample.status).ok().filter(|status| *status < 1000);
    let outcome = wire::Outcome::try_from(sample.outcome);
    Ok(Exchange {
        started_ms: sample.started_ms,
        took_us: sample.took_us,
        first_byte_us: sample.first_byte_us,
        status: status.ok_or_else(|| senseless("sample.status", "a status has three digits"))?,
        reason: text("sample.reason", sample.reason, REASON_BYTES_MAX)?,
        // A later version may have further outcomes; the stream continues.
        outcome: outcome.map_or(Outcome::Unknown, Outcome::from),
        bytes_in: sample.bytes_in,
        bytes_out: sample.bytes_out,
        path: text("sample.path", sample.path, PATH_BYTES_MAX)?,
        caller: caller(&sample.caller)?,
        trace: trace(&sample.trace_id)?,
        rule: (!rule.is_empty()).then_some(rule),
    })
}

/// Encodes an exchange to be kept in a third of its memory.
pub fn packed(exchange: &Exchange) -> Box<[u8]> {
    sample(exchange).encode_to_vec().into_boxed_slice()
}

/// Decodes what [`packed`] has encoded.
pub fn unpacked(packed: &[u8]) -> Result<Exchange, InvalidMessage> {
    exchange(wire::Sample::decode(packed).map_err(|_| senseless("sample", "it is not a sample"))?)
}

fn caller(bytes: &[u8]) -> Result<Option<IpAddr>, InvalidMessage> {
    match bytes.len() {
        0 => Ok(None),
        4 => Ok(bytes.first_chunk::<4>().map(|octets| IpAddr::from(*octets))),
        16 => Ok(bytes.first_chunk::<16>().map(|octets| IpAddr::from(*octets))),
        _ => Err(senseless("sample.caller", "an address has 4 or 16 bytes")),
    }
}

fn trace(bytes: &[u8]) -> Result<Option<TraceId>, InvalidMessage> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let trace = bytes.try_into().ok().and_then(TraceId::from_bytes);
    trace.map(Some).ok_or_else(|| senseless("sample.trace_id", "a trace has 16 bytes that are not all zero"))
}

fn senseless(field: &'static str, why: &str) -> InvalidMessage {
    InvalidMessage::Senseless { field, why: why.to_owned() }
}

/// Replaces control characters, which the peer would refuse: a path from a client, or a reason from
/// a service, must not end our stream.
fn printable(text: &str) -> String {
    if !text.chars().any(char::is_control) {
        return text.to_owned();
    }
    text.chars().map(|char| if char.is_control() { '?' } else { char }).collect()
}

impl From<Outcome> for wire::Outcome {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Answered | Outcome::Unknown => Self::Answered,
            Outcome::Rule => Self::Rule,
            Outcome::Decorator => Self::Decorator,
            Outcome::ClientGone => Self::ClientGone,
            Outcome::BrokenOff => Self::BrokenOff,
            Outcome::BadRequest => Self::BadRequest,
            Outcome::UpstreamConnect => Self::UpstreamConnect,
            Outcome::UpstreamTimeout => Self::UpstreamTimeout,
            Outcome::UpstreamProtocol => Self::UpstreamProtocol,
            Outcome::UpstreamReset => Self::UpstreamReset,
            Outcome::Overloaded => Self::Overloaded,
            Outcome::Draining => Self::Draining,
            Outcome::Panicked => Self::Panicked,
        }
    }
}

impl From<wire::Outcome> for Outcome {
    fn from(outcome: wire::Outcome) -> Self {
        match outcome {
            wire::Outcome::Answered => Self::Answered,
            wire::Outcome::Rule => Self::Rule,
            wire::Outcome::Decorator => Self::Decorator,
            wire::Outcome::ClientGone => Self::ClientGone,
            wire::Outcome::BrokenOff => Self::BrokenOff,
            wire::Outcome::BadRequest => Self::BadRequest,
            wire::Outcome::UpstreamConnect => Self::UpstreamConnect,
            wire::Outcome::UpstreamTimeout => Self::UpstreamTimeout,
            wire::Outcome::UpstreamProtocol => Self::UpstreamProtocol,
            wire::Outcome::UpstreamReset => Self::UpstreamReset,
            wire::Outcome::Overloaded => Self::Overloaded,
            wire::Outcome::Draining => Self::Draining,
            wire::Outcome::Panicked => Self::Panicked,
        }
    }
}

#[cfg(test)]
mod tests;
