//! One request as a table row, on the endpoint's page and on the tap page.

use mesh::endpoint::Endpoint;
use mesh::exchange::{Exchange, Outcome};
use serde::Serialize;

use crate::counts::fleet::address_index::{AddressIndex, AddressOwner};
use crate::dashboard::curl;
use crate::dashboard::endpoint::responses::meaning;
use crate::history::request::HistorySource;
use format::label::service_label;
use format::number::Quantity;
use format::{number, time};

/// The width of a full bar.
const BAR: f64 = 64.0;

/// The latency at the start of the bar's logarithmic scale, which spans 12 doublings: 1 ms to 4 s.
const FROM_US: f64 = 1000.0;
/// The doublings that the scale spans; see [`FROM_US`].
const OCTAVES: f64 = 12.0;

/// The cells of one request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RequestCells {
    /// `request`; empty for a blank row.
    pub kind: &'static str,
    /// When it began, for people, UTC.
    pub clock: String,
    /// The same for machines (RFC 3339).
    pub instant: String,
    /// The service.
    pub service: String,
    /// The endpoint's method.
    pub method: String,
    /// The endpoint's route.
    pub route: String,
    /// The status; a dash if there is none.
    pub status: String,
    /// The CSS classes of the status: `st ok`, `st warn` or `st bad`.
    pub class: &'static str,
    /// The meaning of the status, or what ended the request.
    pub words: String,
    /// The path.
    pub path: String,
    /// The time from the head to the last byte.
    pub took: Quantity,
    /// The width of its bar, out of 64.
    pub bar: String,
    /// The colour of the bar: `s2`, `s4` or `s5`.
    pub bar_class: &'static str,
    /// The time from the head to the first byte of the response.
    pub first_byte: Quantity,
    /// Bytes in.
    pub bytes_in: Quantity,
    /// Bytes out.
    pub bytes_out: Quantity,
    /// The pod's name.
    pub pod: String,
    /// `cached` if the pod does not answer now and has pushed the request before; else empty.
    pub reported: &'static str,
    /// The caller: a pod, a service if its pods share an address, else an address; a dash if it is unknown.
    pub caller: String,
    /// The caller's address.
    pub caller_address: String,
    /// The trace; empty if there is none.
    pub trace: String,
    /// The command that sends it again; empty if there is none.
    pub curl: String,
}

/// Where a request was seen.
#[derive(Debug, Clone, Copy)]
pub struct RequestPlace<'a> {
    /// The namespace.
    pub namespace: &'a str,
    /// The service.
    pub service: &'a str,
    /// The endpoint.
    pub endpoint: &'a Endpoint,
    /// The pod's name.
    pub pod: &'a str,
}

impl RequestCells {
    /// A blank row.
    pub fn blank() -> Self {
        Self { bar: "0".into(), class: "st", bar_class: "s2", ..Self::default() }
    }

    /// A request that was seen at `place`; `owners` resolves its caller's address.
    pub fn of(place: RequestPlace<'_>, exchange: Exchange, known: HistorySource, owners: &AddressIndex) -> Self {
        let words = words(&exchange);
        let us = exchange.took_us as f64;
        let share = ((us.max(FROM_US) / FROM_US).log2() / OCTAVES).clamp(0.05, 1.0);
        let (class, bar_class) = match exchange.status / 100 {
            5 => ("st bad", "s5"),
            4 => ("st warn", "s4"),
            _ => ("st ok", "s2"),
        };
        Self {
            kind: "request",
            clock: time::clock_ms(exchange.started_ms),
            instant: time::instant(exchange.started_ms),
            service: service_label(place.namespace, place.service),
            method: place.endpoint.method().to_owned(),
            route: place.endpoint.route().to_owned(),
            status: if exchange.status == 0 { number::MISSING.into() } else { exchange.status.to_string() },
            class,
            words,
            curl: curl::command(place.namespace, place.service, place.endpoint, &exchange.path, exchange.bytes_in),
            took: number::latency(Some(us)),
            bar: format!("{:.1}", BAR * share),
            bar_class,
            first_byte: number::latency(exchange.first_byte_us.map(|us| us as f64)),
            bytes_in: number::payload(exchange.bytes_in as f64),
            bytes_out: number::payload(exchange.bytes_out as f64),
            pod: place.pod.to_owned(),
            reported: if known == HistorySource::Pushed { "cached" } else { "" },
            caller: caller(&exchange, owners),
            caller_address: exchange.caller.map(|caller| caller.to_string()).unwrap_or_default(),
            trace: exchange.trace.map(|trace| trace.to_string()).unwrap_or_default(),
            path: exchange.path,
        }
    }
}

/// The caller, by name if its address belongs to a known pod.
fn caller(exchange: &Exchange, owners: &AddressIndex) -> String {
    let Some(address) = exchange.caller else { return number::MISSING.into() };
    match owners.owner(address, exchange.started_ms) {
        AddressOwner::Pod(workload) => workload.pod.clone(),
        AddressOwner::Service(workload) => service_label(&workload.namespace, &workload.service),
        AddressOwner::Unknown => address.to_string(),
    }
}

/// The meaning of the status, or what ended the request in the service's place.
fn words(exchange: &Exchange) -> String {
    match &exchange.rule {
        Some(rule) => format!("rule {rule}"),
        None if exchange.outcome != Outcome::Answered => exchange.outcome.word().to_owned(),
        None if !exchange.reason.is_empty() => exchange.reason.clone(),
        None => meaning(exchange.status).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use mesh::workload::Workload;

    use super::*;

    fn of(exchange: Exchange) -> RequestCells {
        let endpoint = Endpoint::named("GET", "/a/{id}").unwrap();
        let place = RequestPlace { namespace: "default", service: "shop", endpoint: &endpoint, pod: "shop-1" };
        RequestCells::of(place, exchange, HistorySource::Fetched, &AddressIndex::default())
    }

    #[test]
    fn a_failure_of_the_sidecar_is_not_shown_as_one_of_the_service() {
        let status = |status, outcome| of(Exchange { status, outcome, ..Exchange::default() });
        assert_eq!(status(502, Outcome::UpstreamConnect).words, "upstream-connect");
        assert_eq!(status(404, Outcome::Answered).words, "Not Found");
        assert_eq!(status(0, Outcome::Answered).status, "–");
    }

    #[test]
    fn a_caller_is_named_if_it_is_a_pod_that_we_know() {
        let pod = |service: &str, pod: &str, addresses: &[[u8; 4]]| Workload {
            namespace: "default".into(),
            service: service.into(),
            pod: pod.into(),
            pod_uid: pod.into(),
            node: String::new(),
            addresses: addresses.iter().map(|address| (*address).into()).collect(),
            version: String::new(),
        };
        let owners = AddressIndex::from_workloads([
            pod("web", "web-0", &[[10, 0, 0, 1], [10, 0, 0, 9]]),
            pod("web", "web-1", &[[10, 0, 0, 9]]),
        ]);
        let endpoint = Endpoint::named("GET", "/a").unwrap();
        let place = RequestPlace { namespace: "default", service: "shop", endpoint: &endpoint, pod: "shop-1" };
        let reported = |address: Option<[u8; 4]>| {
            let exchange = Exchange { caller: address.map(Into::into), ..Exchange::default() };
            let cells = RequestCells::of(place, exchange, HistorySource::Fetched, &owners);
            (cells.caller, cells.caller_address)
        };
        let pair = |caller: &str, address: &str| (caller.to_owned(), address.to_owned());
        assert_eq!(reported(Some([10, 0, 0, 1])), pair("web-0", "10.0.0.1"));
        assert_eq!(reported(Some([10, 0, 0, 9])), pair("web", "10.0.0.9"), "two pods of a service share it");
        assert_eq!(reported(Some([192, 0, 2, 7])), pair("192.0.2.7", "192.0.2.7"));
        assert_eq!(reported(None), pair("–", ""));
    }

    #[test]
    fn a_bar_is_as_long_as_its_time() {
        let took = |took_us| of(Exchange { took_us, status: 503, ..Exchange::default() });
        assert_eq!((took(0).bar.as_str(), took(64_000).bar.as_str(), took(u64::MAX).bar.as_str()), ("3.2", "32.0", "64.0"));
        assert_eq!(took(1).bar_class, "s5");
    }
}
