//! Converts an exchange to a server span, by OpenTelemetry's semantic conventions.

use mesh::endpoint::Endpoint;
use mesh::exchange::{Exchange, Outcome};
use mesh::trace::{TraceId, Traceparent};
use rand::RngExt;

use crate::export::otlp::messages::{KeyValue, Span, Status};
use crate::export::otlp::sampler::Sampler;
use crate::recorder::completed_exchange::CompletedExchange;
use crate::recorder::exchange_bus::ExchangeFilter;

/// `SPAN_KIND_SERVER`.
const SERVER: i32 = 2;

/// `STATUS_CODE_ERROR`.
const ERROR: i32 = 2;

/// `SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK` and `…_IS_REMOTE_MASK`: the parent is in another process.
const REMOTE: u32 = 0x300;

/// The name of an unknown method in the semantic conventions.
const OTHER_METHOD: &str = "_OTHER";

/// A filter for the exchanges that are exported as spans.
pub(super) struct Sampled(pub(super) Sampler);

/// An exchange that is exported as a span.
pub(super) struct SpanSource {
    endpoint: Endpoint,
    exchange: Exchange,
    trace: TraceId,
    parent: Option<Traceparent>,
}

impl ExchangeFilter for Sampled {
    type Record = SpanSource;

    fn wants(&self, _: &Endpoint, finished: &CompletedExchange<'_>) -> bool {
        self.0.samples(finished.trace)
    }

    fn record(&self, endpoint: &Endpoint, finished: &CompletedExchange<'_>) -> SpanSource {
        let parent = finished.trace;
        let trace = parent.map_or_else(|| self.0.new_trace(), |parent| parent.trace);
        SpanSource { endpoint: endpoint.clone(), exchange: finished.into(), trace, parent }
    }
}

impl From<SpanSource> for Span {
    /// The service receives the caller's `traceparent` unchanged, so a span of its own has the same parent as this one.
    fn from(reported: SpanSource) -> Self {
        let SpanSource { endpoint, exchange, trace, parent } = reported;
        let start_ns = exchange.started_ms.saturating_mul(1_000_000);
        let span_id = rand::rng().random_range(1..=u64::MAX).to_be_bytes();
        Self {
            trace_id: trace.bytes().to_vec(),
            span_id: span_id.to_vec(),
            parent_span_id: parent.map_or_else(Vec::new, |parent| parent.parent.to_vec()),
            name: if endpoint.is_other() { "HTTP".to_owned() } else { endpoint.to_string() },
            kind: SERVER,
            start_time_unix_nano: start_ns,
            end_time_unix_nano: start_ns.saturating_add(exchange.took_us.saturating_mul(1000)),
            attributes: attributes(&endpoint, &exchange),
            status: is_failure(&exchange).then_some(Status { code: ERROR }),
            flags: parent.map_or(1, |parent| u32::from(parent.flags) | REMOTE),
        }
    }
}

fn attributes(endpoint: &Endpoint, exchange: &Exchange) -> Vec<KeyValue> {
    let method = if endpoint.is_other() { OTHER_METHOD } else { endpoint.method() };
    let path = exchange.path.split(['?', '#']).next().unwrap_or_default();
    let mut attributes = vec![
        KeyValue::text("http.request.method", method),
        KeyValue::text("url.path", path),
        KeyValue::whole("http.request.body.size", exchange.bytes_in),
        KeyValue::whole("http.response.body.size", exchange.bytes_out),
        KeyValue::text("sitio.outcome", exchange.outcome.word()),
    ];
    if !endpoint.is_other() {
        attributes.push(KeyValue::text("http.route", endpoint.route()));
    }
    if exchange.status != 0 {
        attributes.push(KeyValue::whole("http.response.status_code", u64::from(exchange.status)));
    }
    if let Some(caller) = exchange.caller {
        attributes.push(KeyValue::text("client.address", caller.to_string()));
    }
    if let Some(rule) = &exchange.rule {
        attributes.push(KeyValue::text("sitio.rule", rule.as_str()));
    }
    if is_failure(exchange) {
        let by_status = exchange.outcome == Outcome::Answered;
        let kind = if by_status { exchange.status.to_string() } else { exchange.outcome.word().to_owned() };
        attributes.push(KeyValue::text("error.type", kind));
    }
    attributes
}

/// A server span is an error for a 5xx; a 4xx is an error of the caller.
fn is_failure(exchange: &Exchange) -> bool {
    exchange.status >= 500
}
