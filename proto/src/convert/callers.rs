//! Encodes and decodes the callers of an endpoint, in about seven bytes each.

use std::net::IpAddr;

use mesh::callers::{CALLERS_MAX, Callers, Calls};
use mesh::report::EndpointReport;

use crate::convert::InvalidMessage;
use crate::wire;

/// Encodes an endpoint's callers; `None` if there are none.
pub(super) fn encode(id: u32, callers: &Callers, at_ms: u64) -> Option<wire::Callers> {
    let mut row = wire::Callers { id, ..wire::Callers::default() };
    let mut calls = Vec::new();
    for (address, of_v4) in callers.named() {
        if let IpAddr::V4(address) = address {
            row.v4.extend(address.octets());
            calls.push(of_v4);
        }
    }
    for (address, of_v6) in callers.named() {
        if let IpAddr::V6(address) = address {
            row.v6.extend(address.octets());
            calls.push(of_v6);
        }
    }
    calls.extend(Some(callers.others()).filter(|others| others.hits > 0));
    row.hits = calls.iter().map(|calls| calls.hits).collect();
    row.ago_ms = calls.iter().map(|calls| at_ms.saturating_sub(calls.last_ms)).collect();
    if calls.iter().any(|calls| calls.failures > 0) {
        row.failures = calls.iter().map(|calls| calls.failures).collect();
    }
    (!calls.is_empty()).then_some(row)
}

/// Decodes an endpoint's callers and checks them against its counts.
pub(super) fn callers(row: &wire::Callers, endpoint: &mut EndpointReport, at_ms: u64) -> Result<(), InvalidMessage> {
    let addresses = addresses(row)?;
    let rows = row.hits.len();
    if rows != addresses.len() && rows != addresses.len() + 1 {
        return Err(senseless("there is a number of hits for each address, and one for all others"));
    }
    if row.ago_ms.len() != rows || !(row.failures.is_empty() || row.failures.len() == rows) {
        return Err(senseless("its lists are of different lengths"));
    }
    if !endpoint.callers.is_empty() {
        return Err(senseless("an endpoint's callers are there twice"));
    }
    for (at, hits) in row.hits.iter().enumerate() {
        let failures = row.failures.get(at).copied().unwrap_or(0);
        let calls = Calls { hits: *hits, failures, last_ms: at_ms.saturating_sub(row.ago_ms[at]) };
        endpoint.callers.add(addresses.get(at).copied(), calls);
    }
    let sum = endpoint.callers.sum();
    if sum.hits > endpoint.golden.hits || sum.failures > endpoint.golden.failures() {
        return Err(senseless("its callers have asked more often than it was asked"));
    }
    Ok(())
}

fn addresses(row: &wire::Callers) -> Result<Vec<IpAddr>, InvalidMessage> {
    let (v4, rest_of_v4) = row.v4.as_chunks::<4>();
    let (v6, rest_of_v6) = row.v6.as_chunks::<16>();
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
