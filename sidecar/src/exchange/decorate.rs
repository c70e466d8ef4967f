//! Calls the decorators of an exchange in order, and handles one that panics.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use decorators::selection::Mode;

use crate::decorator::forward_plan::ForwardPlan;
use crate::decorator::request::Request;
use crate::decorator::response::{RequestFacts, Response};
use crate::decorator::{Decorator, EndedExchange, FailureMode, Hold, Released, Step};
use crate::exchange::hold::{HoldEnd, bounded};
use crate::exchange::shared_counters::SharedCounters;
use crate::exchange::{AppliedRule, Exchange, error_response};
use crate::head::answer::{Answer, Edit};
use crate::head::request::RequestHead;
use crate::recorder::completed_exchange::CompletedExchange;
use crate::rulebook::RuleEffect;
use crate::rulebook::rule_counts::RuleEvent;

/// The field that names the decorator that made a response.
pub const DECORATOR_FIELD: &str = "X-Sitio-Decorator";

/// The decorators of the program, and where their failures are counted. Those of rules come with the exchange.
#[derive(Clone, Copy)]
pub struct Decorators<'a> {
    /// In order.
    pub of_program: &'a [Arc<dyn Decorator>],
    /// The counters of all workers.
    pub counters: &'a SharedCounters,
}

/// What the decorators want for a request.
pub struct Decorated {
    /// The edits of its head.
    pub edits: Vec<Edit>,
    /// The response to send instead.
    pub answer: Option<Answer>,
    /// What to wait for before either.
    pub hold: Option<Hold>,
    /// How to forward it, where that differs from the settings.
    pub plan: Option<Box<ForwardPlan>>,
}

/// Calls the `before` hooks, first to last, until one answers. The hooks of decorators after a hold are called at once; what
/// they answer is sent after it.
pub fn before(decorators: Decorators<'_>, exchange: &Exchange, head: &RequestHead<'_, '_>) -> Decorated {
    let mut request = Request::new(&exchange.endpoint, head, exchange.caller);
    let mut holds = Vec::new();
    let mut answer = None;
    for (decorator, rule) in decorators_of(decorators, exchange) {
        match call_before(decorators, decorator, rule, &mut request) {
            Step::Pass => {}
            Step::Hold(hold) => holds.push(watched(hold, decorator, rule)),
            Step::Answer(given) => {
                answer = Some(marked(given, decorator.name()));
                break;
            }
        }
    }
    let plan = request.take_plan();
    Decorated { edits: in_order(request.into_edits()), answer, hold: one_after_another(holds), plan }
}

/// Calls the `after` hooks, last to first. The first replacement wins; edits accumulate.
pub fn after(
    decorators: Decorators<'_>,
    exchange: &mut Exchange,
    status: (u16, &str),
    fields: &[httparse::Header<'_>],
) -> Result<Vec<Edit>, Answer> {
    if !has_decorators(decorators, exchange) {
        return Ok(Vec::new());
    }
    exchange.service_status = Some(status.0);
    let facts = RequestFacts {
        endpoint: &exchange.endpoint,
        path: exchange.path(),
        caller: exchange.caller,
        audience: exchange.audience,
        trace: exchange.trace,
    };
    let mut response = Response::new(facts, status, fields);
    for (decorator, rule) in decorators_of(decorators, exchange).rev() {
        let edits = response.edits().len();
        let step = catch_unwind(AssertUnwindSafe(|| decorator.after(&mut response)));
        let has_acted = response.edits().len() > edits || matches!(step, Ok(Step::Answer(_)));
        let is_shadow = rule.is_some_and(|applied| applied.rule.mode() == Mode::Shadow);
        match step {
            Err(_) => {
                response.truncate_edits(edits);
                count_panic(decorators, decorator, rule);
            }
            Ok(_) if is_shadow => {
                response.truncate_edits(edits);
                count(rule, has_acted, RuleEvent::Shadowed);
            }
            Ok(step) => {
                count(rule, has_acted, RuleEvent::Acted);
                if let Step::Answer(answer) = step {
                    return Err(marked(answer, decorator.name()));
                }
            }
        }
    }
    Ok(in_order(response.into_edits()))
}

/// Calls the `ended` hooks.
pub fn ended(decorators: Decorators<'_>, exchange: &Exchange, finished: &CompletedExchange<'_>) {
    if !has_decorators(decorators, exchange) {
        return;
    }
    let ended = EndedExchange {
        endpoint: &exchange.endpoint,
        status: finished.status,
        service_status: exchange.service_status,
        outcome: finished.outcome,
        first_byte: Duration::from_micros(finished.first_byte_us),
        took: Duration::from_micros(finished.took_us),
        plan: exchange.plan.as_deref(),
    };
    for (decorator, rule) in decorators_of(decorators, exchange) {
        let has_acted = catch_unwind(AssertUnwindSafe(|| {
            decorator.ended(&ended);
            decorator.has_acted_on(&ended)
        }));
        match has_acted {
            Err(_) => count_panic(decorators, decorator, rule),
            Ok(has_acted) if rule.is_some_and(|applied| applied.rule.mode() == Mode::Shadow) => {
                count(rule, has_acted, RuleEvent::Shadowed);
            }
            Ok(has_acted) => count(rule, has_acted, RuleEvent::Acted),
        }
    }
}

/// Whether any decorator sees the exchange.
pub fn has_decorators(decorators: Decorators<'_>, exchange: &Exchange) -> bool {
    !decorators.of_program.is_empty() || !exchange.rules.is_empty()
}

fn call_before(
    decorators: Decorators<'_>,
    decorator: &dyn Decorator,
    rule: Option<&AppliedRule>,
    request: &mut Request<'_>,
) -> Step {
    let edits = request.edits().len();
    let plan = request.take_plan();
    let step = catch_unwind(AssertUnwindSafe(|| decorator.before(request)));
    let added = request.take_plan();
    request.add_plan(plan);
    let is_guard = decorator.failure_mode() == FailureMode::Closed;
    let has_acted = match &step {
        // A guard acts if it lets a request not pass. What it holds is counted when it is released.
        Ok(Step::Pass | Step::Hold(_)) if is_guard => false,
        Ok(Step::Answer(_) | Step::Hold(_)) | Err(_) => true,
        Ok(Step::Pass) => request.edits().len() > edits,
    };
    let is_shadow = rule.is_some_and(|applied| applied.rule.mode() == Mode::Shadow);
    match step {
        Err(_) => {
            request.truncate_edits(edits);
            count_panic(decorators, decorator, rule);
            match decorator.failure_mode() {
                FailureMode::Closed if !is_shadow => Step::Answer(error_response::guard_failed()),
                FailureMode::Closed | FailureMode::Open => Step::Pass,
            }
        }
        Ok(_) if is_shadow => {
            request.truncate_edits(edits);
            request.add_plan(added.map(|added| Box::new(added.without_effect())));
            count(rule, has_acted, RuleEvent::Shadowed);
            Step::Pass
        }
        Ok(step) => {
            request.add_plan(added);
            count(rule, has_acted, RuleEvent::Acted);
            step
        }
    }
}

/// The decorators of an exchange, with the rules that they stem from. Those of the program come first.
fn decorators_of<'a>(
    decorators: Decorators<'a>,
    exchange: &'a Exchange,
) -> impl DoubleEndedIterator<Item = (&'a dyn Decorator, Option<&'a AppliedRule>)> {
    let of_rules = exchange.rules.iter().filter_map(|applied| match &applied.rule.effect {
        RuleEffect::Decorate(decorator) => Some((decorator.as_ref(), Some(applied))),
        RuleEffect::Disable(_) => None,
    });
    decorators.of_program.iter().map(|decorator| (decorator.as_ref(), None)).chain(of_rules)
}

/// Whether a decorator guards the exchange, so that bytes which are no request must not reach the service.
pub fn is_guarded(decorators: Decorators<'_>, exchange: &Exchange) -> bool {
    decorators_of(decorators, exchange).any(|(decorator, rule)| {
        decorator.failure_mode() == FailureMode::Closed && rule.is_none_or(|applied| applied.rule.mode() == Mode::Enforce)
    })
}

/// A hold that is bounded, whose response names its decorator, and which is counted if a guard answers or it takes too long.
fn watched(hold: Hold, decorator: &dyn Decorator, rule: Option<&AppliedRule>) -> Hold {
    let mode = decorator.failure_mode();
    let counts = rule.map(|applied| Arc::clone(&applied.rule.counts));
    let name = decorator.name().to_owned();
    Box::pin(async move {
        let count = |event| counts.iter().for_each(|counts| counts.add(event));
        let released = match bounded(hold, mode).await {
            HoldEnd::Decided(released) => {
                if mode == FailureMode::Closed && matches!(released, Released::Answer(_)) {
                    count(RuleEvent::Acted);
                }
                released
            }
            HoldEnd::TooLong(released) => {
                count(RuleEvent::Failed);
                tracing::warn!(decorator = name, "the decorator held a request for too long");
                released
            }
        };
        match released {
            Released::Answer(answer) => Released::Answer(marked(answer, &name)),
            passed @ Released::Pass(_) => passed,
        }
    })
}

/// Counts what a rule did, once for each exchange. A failure is counted besides.
fn count(rule: Option<&AppliedRule>, has_acted: bool, event: RuleEvent) {
    if let Some(applied) = rule.filter(|_| has_acted)
        && (event == RuleEvent::Failed || !applied.has_acted.replace(true))
    {
        applied.rule.counts.add(event);
    }
}

/// The edits that are left after those of later decorators: one that sets or removes a field takes back what was written before.
fn in_order(edits: Vec<Edit>) -> Vec<Edit> {
    if edits.len() < 2 {
        return edits;
    }
    let mut left: Vec<Edit> = Vec::with_capacity(edits.len());
    for edit in edits {
        left.retain(|earlier| !edit.takes_away(earlier.name()));
        left.push(edit);
    }
    left
}

fn count_panic(decorators: Decorators<'_>, decorator: &dyn Decorator, rule: Option<&AppliedRule>) {
    count(rule, true, RuleEvent::Failed);
    SharedCounters::count(&decorators.counters.panics);
    let decorator = decorator.name();
    tracing::error!(decorator, "the decorator panicked and was skipped");
}

/// Names the decorator in its response, so that no caller takes it for the service's.
fn marked(answer: Answer, decorator: &str) -> Answer {
    if answer.fields.iter().any(|(name, _)| name.starts_with("X-Sitio-")) {
        return answer;
    }
    answer.with(DECORATOR_FIELD, decorator.to_owned())
}

fn one_after_another(holds: Vec<Hold>) -> Option<Hold> {
    if holds.is_empty() {
        return None;
    }
    Some(Box::pin(async move {
        let mut fields = Vec::new();
        for hold in holds {
            match hold.await {
                Released::Pass(more) => fields.extend(more),
                answered @ Released::Answer(_) => return answered,
            }
        }
        Released::Pass(fields)
    }))
}
