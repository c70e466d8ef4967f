//! Decides whether a request is forwarded, or answered by a rule, by Max-Forwards or by a decorator.

use std::cell::Cell;
use std::rc::Rc;

use decorators::selection::Mode;

use crate::decorator::{Hold, Released};
use crate::exchange::context::WorkerContext;
use crate::exchange::decorate::{self, Decorated};
use crate::exchange::{AppliedRule, Exchange, max_forwards};
use crate::head::answer::{Answer, Edit};
use crate::head::request::RequestHead;
use crate::recorder::completed_exchange::Author;
use crate::rulebook::rule_counts::RuleEvent;
use crate::rulebook::{MatchedRules, RuleEffect};

/// What to do with a request.
pub enum Action {
    /// Forward it to the service with these edits.
    Forward(Vec<Edit>),
    /// Answer it, because a rule has turned its endpoint off.
    AnswerByRule(Answer),
    /// Answer it in the service's place.
    Answer(Answer),
    /// Wait, and then answer it, or forward it with these edits.
    Hold(Hold, Vec<Edit>),
}

/// Decides on a request whose exchange has started. A rule that turns the endpoint off comes before everything else, and
/// decorators do not see a request that may not be forwarded.
pub fn decide(
    worker: &WorkerContext,
    exchange: &mut Exchange,
    covering: Option<&MatchedRules>,
    head: &RequestHead<'_, '_>,
) -> Action {
    if let Some(covering) = covering
        && let Some(answer) = apply_rules(exchange, covering)
    {
        return Action::AnswerByRule(answer);
    }
    if head.forwards_left() == Some(0) {
        exchange.author = Author::Sitio;
        return Action::Answer(max_forwards::answer(head));
    }
    if !decorate::has_decorators(worker.decorators(), exchange) {
        return Action::Forward(Vec::new());
    }
    let Decorated { edits, answer, hold, plan } = decorate::before(worker.decorators(), exchange, head);
    exchange.plan = plan;
    match (hold, answer) {
        (None, None) => Action::Forward(edits),
        (None, Some(answer)) => {
            exchange.author = Author::Sitio;
            Action::Answer(answer)
        }
        (Some(hold), None) => Action::Hold(hold, edits),
        (Some(hold), Some(answer)) => Action::Hold(Box::pin(answer_after(hold, answer)), edits),
    }
}

/// What a decorator answers whose turn was after that of one that holds the request.
async fn answer_after(hold: Hold, answer: Answer) -> Released {
    match hold.await {
        Released::Pass(_) => Released::Answer(answer),
        answered @ Released::Answer(_) => answered,
    }
}

/// Applies the rules of its endpoint to an exchange that has started: returns the response of the first that turns it off,
/// or remembers those whose decorators see the exchange.
pub fn apply_rules(exchange: &mut Exchange, covering: &MatchedRules) -> Option<Answer> {
    for rule in covering.iter().filter(|rule| rule.applies(exchange.caller, exchange.started)) {
        match (&rule.effect, rule.mode()) {
            (RuleEffect::Decorate(_), _) => {
                exchange.rules.push(AppliedRule { rule: Rc::clone(rule), has_acted: Cell::new(false) });
            }
            (RuleEffect::Disable(_), Mode::Shadow) => rule.counts.add(RuleEvent::Shadowed),
            (RuleEffect::Disable(status), Mode::Enforce) => {
                rule.counts.add(RuleEvent::Acted);
                exchange.author = Author::Sitio;
                exchange.answered_by_rule(&rule.id);
                return Some(rule.answer(*status, exchange.started));
            }
        }
    }
    None
}
