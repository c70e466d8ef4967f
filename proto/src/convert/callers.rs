//! Encodes and decodes the callers of an endpoint, in about seven bytes each.

use std::net::IpAddr;

use mesh::callers::{CALLERS_MAX, Callers, Calls};
use mesh::report::EndpointReport;

use crate::convert::InvalidMessage;
use crate::wire;

/// Encodes an endpoint's callers; `None` if there are none.
pub(super) fn encode(id: u32, callers: &Callers, at_ms: u64) -> Option<wire::Callers> {
    let mut told = wire::Callers { id, ..wire::Callers::default() };
    let mut calls = Vec::new();
    for (address, of_v4) in callers.named() {
        if let IpAddr::V4(address) = address {
            told.v4.extend(address.octets());
            calls.push(of_v4);
        }
    }
    for (address, of_v6) in callers.named() {
        if let IpAddr::V6(address) = address {
            told.v6.extend(address.octets());
            calls.push(of_v6);
        }
    }
    calls.extend(Some(callers.others()).filter(|others| others.hits > 0));
    told.hits = calls.iter().map(|calls| calls.hits).collect();
    told.ago_ms = calls.iter().map(|calls| at_ms.saturating_sub(calls.last_ms)).collect();
    if calls.iter().any(|calls| calls.failures > 0) {
        told.failures = calls.iter().map(|calls| calls.failures).collect();
    }
    (!calls.is_empty()).then_some(told)
}

/// Decodes an endpoint's callers and checks them against its counts.
pub(super) fn callers(told: &wire::Callers, endpoint: &mut EndpointReport, at_ms: u64) -> Result<(), InvalidMessage> {
    let addresses = addresses(told)?;
    let rows = told.hits.len();
    if rows != addresses.len() && rows != addresses.len() + 1 {
        return Err(senseless("there is a number of hits for each address, and one for all others"));
    }
    if told.ago_ms.len() != rows || !(told.failures.is_empty() || told.failures.len() == rows) {
        return Err(senseless("its lists are of different lengths"));
    }
    if !endpoint.callers.is_empty() {
        return Err(senseless("an endpoint's callers are there twice"));
    }
    for (at, hits) in told.hits.iter().enumerate() {
        let failures = told.failures.get(at).copied().unwrap_or(0);
        let calls = Calls { hits: *hits, failures, last_ms: at_ms.saturating_sub(told.ago_ms[at]) };
        endpoint.callers.add(addresses.get(at).copied(), calls);
    }
    let sum = endpoint.callers.sum();
    if sum.hits > endpoint.golden.hits || sum.failures > endpoint.golden.failures() {
        return Err(senseless("its callers have asked more often than it was asked"));
    }
    Ok(())
}

fn addresses(told: &wire::Callers) -> Result<Vec<IpAddr>, InvalidMessage> {
    let (v4, rest_of_v4) = told.v4.as_chunks::<4>();
    let (v6, rest_of_v6) = told.v6.as_chunks::<16>();
    if !rest_of_v4.is_empty() || !rest_of_v6.is_empty() {
        return Err(senseless("an address has 4 or 16 bytes"));
    }
    if v4.len() + v6.len() > CALLERS_MAX {
        return Err(InvalidMessage::TooMuch { field: "callers", limit: CALLERS_MAX });
    }
    Ok(v4.iter().map(|octets| IpAddr::from(*octets)).chain(v6.iter().map(|octets| IpAddr::from(*octets))).collect())
}

fn senseless(why: &str) -> InvalidMessage {
    InvalidMessage::Senseless { field: "callers", why: why.into() }
}

#[cfg(test)]
mod tests;
