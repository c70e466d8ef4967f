//! Decides whether a request is forwarded, or answered by a rule, by Max-Forwards or by a decorator.

use crate::decorator::Step;
use crate::exchange::context::WorkerContext;
use crate::exchange::{Exchange, decorators, max_forwards};
use crate::head::answer::Answer;
use crate::head::request::RequestHead;
use crate::recorder::completed_exchange::Author;
use crate::rulebook::ActiveRule;

/// What to do with a request.
#[derive(Debug)]
pub enum Action {
    /// Forward it to the service.
    Forward,
    /// Answer it, because a rule has turned its endpoint off.
    AnswerByRule(Answer),
    /// Answer it in the service's place.
    Answer(Answer),
}

/// Decides on a request whose exchange has started. A rule comes before everything else, and decorators do
/// not see a request that may not be forwarded.
pub fn decide(worker: &WorkerContext, exchange: &mut Exchange, rule: Option<&ActiveRule>, head: &RequestHead<'_, '_>) -> Action {
    if let Some(rule) = rule {
        return Action::AnswerByRule(answer_by_rule(exchange, rule));
    }
    let step = match head.forwards_left() {
        Some(0) => Step::Answer(max_forwards::answer(head)),
        _ => decorators::before(worker, &exchange.endpoint, head),
    };
    match step {
        Step::Forward => Action::Forward,
        Step::Answer(answer) => {
            exchange.author = Author::Sitio;
            Action::Answer(answer)
        }
    }
}

/// Returns the response of a rule, and records that the rule has answered.
pub fn answer_by_rule(exchange: &mut Exchange, rule: &ActiveRule) -> Answer {
    exchange.author = Author::Sitio;
    exchange.answered_by_rule(&rule.id);
    rule.answer(exchange.started)
}
