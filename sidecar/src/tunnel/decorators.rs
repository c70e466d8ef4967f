//! Asks the decorators in their order, and passes over one that panics.

use std::panic::{AssertUnwindSafe, catch_unwind};

use mesh::endpoint::Endpoint;

use crate::decorator::{Response, Step, Verdict};
use crate::head::request::RequestHead;
use crate::head::response::ResponseHead;
use crate::worker::state::Worker;

/// The first answer in the service's place, if any decorator gives one.
pub fn before(worker: &Worker, endpoint: &Endpoint, request: &RequestHead<'_, '_>) -> Step {
    for decorator in worker.decorators() {
        match catch_unwind(AssertUnwindSafe(|| decorator.before(endpoint, request))) {
            Ok(Step::Forward) => {}
            Ok(answer) => return answer,
            Err(_) => worker.count_panic(decorator.name()),
        }
    }
    Step::Forward
}

/// What the decorators make of a response, asked last to first. The first that replaces it has the last word;
/// edits add up.
pub fn after(worker: &Worker, endpoint: &Endpoint, head: &ResponseHead<'_, '_>) -> Verdict {
    let response = Response { status: head.status, fields: head.fields };
    let mut edits = Vec::new();
    for decorator in worker.decorators().iter().rev() {
        match catch_unwind(AssertUnwindSafe(|| decorator.after(endpoint, &response))) {
            Ok(Verdict::Keep) => {}
            Ok(Verdict::Edit(more)) => edits.extend(more),
            Ok(replacement) => return replacement,
            Err(_) => worker.count_panic(decorator.name()),
        }
    }
    if edits.is_empty() { Verdict::Keep } else { Verdict::Edit(edits) }
}
