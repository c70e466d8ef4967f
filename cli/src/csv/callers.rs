//! The callers of an endpoint as CSV.

use api::callers::{Caller, Callers};
use format::csv::{CsvCell, text};

use crate::csv::{name, number, rate, ratio, some, words};

const HEADS: [&str; 12] =
    ["endpoint", "kind", "namespace", "service", "address", "pods", "rps", "hits", "share", "failures", "last_seen", "taken_at"];

/// One line for each caller.
pub(crate) fn file(answer: &Callers) -> String {
    text(&HEADS, answer.callers.iter().map(|caller| row(caller, answer)))
}

fn row(caller: &Caller, answer: &Callers) -> Vec<CsvCell> {
    vec![
        words(&answer.id),
        name(&caller.kind),
        some(caller.namespace.as_deref()),
        some(caller.service.as_deref()),
        some(caller.address.as_deref()),
        number(caller.pods.len()),
        rate(caller.rps),
        number(caller.hits),
        ratio(caller.share),
        number(caller.failures),
        words(&caller.last_seen),
        words(&answer.taken_at),
    ]
}
