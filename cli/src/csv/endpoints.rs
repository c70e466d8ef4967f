//! The endpoints as CSV.

use api::endpoints::{Endpoint, Endpoints};
use format::column::{Column, EndpointColumn};
use format::csv::{CsvCell, table};
use format::health::ratio as share;

use crate::csv::{ms, name, number, rate, ratio, some, words};

/// One line for each endpoint.
pub(crate) fn file(answer: &Endpoints) -> String {
    table(EndpointColumn::ALL, &answer.endpoints, |endpoint, column| cell(endpoint, answer, column))
}

fn cell(endpoint: &Endpoint, answer: &Endpoints, column: EndpointColumn) -> CsvCell {
    match column {
        EndpointColumn::Namespace => words(&endpoint.namespace),
        EndpointColumn::Service => words(&endpoint.service),
        EndpointColumn::Method => words(&endpoint.method),
        EndpointColumn::Route => words(&endpoint.route),
        EndpointColumn::Rps => rate(endpoint.rps),
        EndpointColumn::Hits => number(endpoint.hits),
        EndpointColumn::Avg => ms(endpoint.avg_ms),
        EndpointColumn::P50 => ms(endpoint.p50_ms),
        EndpointColumn::P95 => ms(endpoint.p95_ms),
        EndpointColumn::P99 => ms(endpoint.p99_ms),
        EndpointColumn::Failures => number(endpoint.failures()),
        EndpointColumn::FailingRatio => ratio(share(endpoint.failures(), endpoint.served())),
        EndpointColumn::ClientErrorRatio => ratio(share(endpoint.class(4), endpoint.served())),
        EndpointColumn::BytesIn => number(endpoint.bytes_in),
        EndpointColumn::BytesOut => number(endpoint.bytes_out),
        EndpointColumn::Blocked => number(endpoint.by_rule),
        EndpointColumn::LastSeen => some(endpoint.last_seen.as_deref()),
        EndpointColumn::Pods => number(endpoint.pods.len()),
        EndpointColumn::Window => number(format!("{:.0}", answer.covered_s)),
        EndpointColumn::State => name(&endpoint.state),
        EndpointColumn::Rule => some(endpoint.rule.as_deref()),
        EndpointColumn::Id => words(&endpoint.id),
        EndpointColumn::TakenAt => words(&answer.taken_at),
    }
}
