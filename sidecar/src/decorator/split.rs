//! `split`: sends a stable share of clients to another address, and counts both sides.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use decorators::split::{ClientKey, Split, SplitAddress};
use mesh::exchange::Outcome;
use mesh::golden::GoldenMetrics;
use mesh::rule_totals::SplitSides;
use mesh::stable_hash::stable_hash;

use crate::decorator::request::Request;
use crate::decorator::{Decorator, EndedExchange, Step};
use crate::target::ServiceAddr;

/// Steps of the share: a percentage in hundredths would be possible.
const STEPS: u64 = 10_000;

pub(super) struct TrafficSplit {
    config: Split,
    to: Arc<ServiceAddr>,
    /// The service's own side, and the other one.
    sides: Mutex<[GoldenMetrics; 2]>,
}

impl TrafficSplit {
    pub(super) fn new(config: Split) -> Self {
        let to = match &config.to {
            SplitAddress::Loopback(address) => ServiceAddr::Tcp(*address),
            SplitAddress::Unix(path) => ServiceAddr::Unix(path.into()),
        };
        Self { config, to: Arc::new(to), sides: Mutex::default() }
    }

    /// Whether a client belongs to the other side. Its place depends on its key alone, so it is the same in each pod, for each
    /// endpoint and after a restart, and a larger share contains a smaller one.
    fn is_other(&self, request: &Request<'_>) -> bool {
        let hash = match &self.config.by {
            ClientKey::Caller => None,
            ClientKey::Header(name) => request.field(name).map(|value| stable_hash(value.iter().copied())),
            ClientKey::Cookie(name) => cookie(request, name).map(|value| stable_hash(value.iter().copied())),
        };
        let hash = hash.unwrap_or_else(|| of_caller(request.caller()));
        // The low bits of this hash depend on the low bits of the bytes only.
        (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15) % STEPS < u64::from(self.config.percent) * (STEPS / 100)
    }
}

/// One machine usually has all addresses of a /64.
fn of_caller(caller: Option<IpAddr>) -> u64 {
    match caller.map(|caller| caller.to_canonical()) {
        Some(IpAddr::V4(caller)) => stable_hash(caller.octets()),
        Some(IpAddr::V6(caller)) => stable_hash(caller.octets().into_iter().take(8)),
        None => stable_hash([]),
    }
}

/// The value of a cookie (RFC 6265, section 4.2.1). HTTP/2 may send a field for each.
fn cookie<'a>(request: &Request<'a>, name: &str) -> Option<&'a [u8]> {
    let fields = request.head().fields.iter().filter(|field| field.name.eq_ignore_ascii_case("cookie"));
    let mut pairs = fields.flat_map(|field| field.value.split(|byte| *byte == b';')).map(<[u8]>::trim_ascii);
    pairs.find_map(|pair| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}

impl Decorator for TrafficSplit {
    fn name(&self) -> &'static str {
        "split"
    }

    fn before(&self, request: &mut Request<'_>) -> Step {
        // The other address is asked over HTTP/1.1 for callers of HTTP/2, which no service of gRPC understands.
        let is_grpc = request.field("content-type").is_some_and(|kind| kind.starts_with(b"application/grpc"));
        if !is_grpc && self.is_other(request) {
            request.send_to(Arc::clone(&self.to));
        }
        Step::Pass
    }

    fn ended(&self, exchange: &EndedExchange<'_>) {
        if !exchange.is_from_service() {
            return;
        }
        let mut sides = self.sides.lock().unwrap_or_else(PoisonError::into_inner);
        let side = &mut sides[usize::from(self.has_acted_on(exchange))];
        let status = if exchange.outcome == Outcome::Decorator { exchange.service_status } else { None };
        let status = status.unwrap_or(exchange.status);
        side.hits += 1;
        side.add_status(status, 1);
        side.failed += u64::from(status >= 500);
        let us = |time: std::time::Duration| time.as_micros() as u64;
        side.time(us(exchange.took), us(exchange.first_byte));
    }

    fn has_acted_on(&self, exchange: &EndedExchange<'_>) -> bool {
        exchange.plan.is_some_and(|plan| plan.is_sent_to(&self.to))
    }

    fn sides(&self) -> Option<SplitSides> {
        let sides = self.sides.lock().unwrap_or_else(PoisonError::into_inner);
        Some(SplitSides { own: sides[0].clone(), other: sides[1].clone() })
    }
}
