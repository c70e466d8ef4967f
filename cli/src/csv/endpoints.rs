//! The endpoints as CSV.

use client::endpoints::{Endpoint, Endpoints};
use format::csv::{CsvCell, text};
use format::health::ratio as share;

use crate::csv::{ms, name, number, rate, ratio, some, words};

const HEADS: [&str; 23] = [
    "namespace",
    "service",
    "method",
    "route",
    "rps",
    "hits",
    "avg_ms",
    "p50_ms",
    "p95_ms",
    "p99_ms",
    "failures",
    "failing_ratio",
    "4xx_ratio",
    "bytes_in",
    "bytes_out",
    "blocked",
    "last_seen",
    "pods",
    "window_s",
    "state",
    "rule",
    "id",
    "taken_at",
];

/// One line for each endpoint.
pub(crate) fn file(answer: &Endpoints) -> String {
    text(&HEADS, answer.endpoints.iter().map(|endpoint| row(endpoint, answer)))
}

fn row(endpoint: &Endpoint, answer: &Endpoints) -> Vec<CsvCell> {
    vec![
        words(&endpoint.namespace),
        words(&endpoint.service),
        words(&endpoint.method),
        words(&endpoint.route),
        rate(endpoint.rps),
        number(endpoint.hits),
        ms(endpoint.avg_ms),
        ms(endpoint.p50_ms),
        ms(endpoint.p95_ms),
        ms(endpoint.p99_ms),
        number(endpoint.failures()),
        ratio(share(endpoint.failures(), endpoint.served())),
        ratio(share(endpoint.class(4), endpoint.served())),
        number(endpoint.bytes_in),
        number(endpoint.bytes_out),
        number(endpoint.by_rule),
        some(endpoint.last_seen.as_deref()),
        number(endpoint.pods.len()),
        number(format!("{:.0}", answer.covered_s)),
        name(&endpoint.state),
        some(endpoint.rule.as_deref()),
        words(&endpoint.id),
        words(&answer.taken_at),
    ]
}
