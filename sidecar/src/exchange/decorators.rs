//! Calls the decorators in order, and skips one that panics.

use std::panic::{AssertUnwindSafe, catch_unwind};

use mesh::endpoint::Endpoint;

use crate::decorator::{Response, Step, Verdict};
use crate::exchange::context::WorkerContext;
use crate::head::request::RequestHead;
use crate::head::response::ResponseHead;

/// Calls the `before` hooks. Returns the first response that a decorator gives in the service's place.
pub fn before(worker: &WorkerContext, endpoint: &Endpoint, request: &RequestHead<'_, '_>) -> Step {
    for decorator in worker.decorators() {
        match catch_unwind(AssertUnwindSafe(|| decorator.before(endpoint, request))) {
            Ok(Step::Forward) => {}
            Ok(answer) => return answer,
            Err(_) => worker.count_panic(decorator.name()),
        }
    }
    Step::Forward
}

/// Calls the `after` hooks, last to first. The first replacement wins; edits accumulate.
pub fn after(worker: &WorkerContext, endpoint: &Endpoint, head: &ResponseHead<'_, '_>) -> Verdict {
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
