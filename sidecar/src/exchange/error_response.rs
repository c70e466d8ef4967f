//! The sidecar's own error responses, each with a word for the cause.

use mesh::exchange::Outcome;
use mesh::refusal::RefusalReason;

use crate::head::HeadFault;
use crate::head::answer::{Answer, Audience, reason_of};
use crate::recorder::completed_exchange::Author;
use crate::rulebook::RULE_FIELD;
use crate::socket::descriptors::is_shortage;
use crate::upstream::ConnectError;

/// The field that marks such a response as the sidecar's.
const FIELD: &str = "X-Sitio-Error";

/// A request's body that stopped arriving (RFC 9110, section 15.5.9).
pub const STALLED: HeadFault =
    HeadFault { status: 408, reason: RefusalReason::Timeout, why: "no bytes of its body arrived within SITIO_BODY_TIMEOUT" };

/// The response to a request that is refused.
pub fn for_request(fault: HeadFault, audience: Audience) -> Answer {
    answer(fault.status, "bad-request", format!("Sitio refuses this request: {}.", fault.why), audience)
}

/// The response if there is no connection to the service.
pub fn for_connect_error(error: &ConnectError, audience: Audience) -> Answer {
    match error {
        ConnectError::Refused { source, .. } if is_shortage(source) => {
            let detail = "This sidecar has no file descriptor left for a connection to its service.".to_owned();
            answer(503, "overloaded", detail, audience).with("Retry-After", "1")
        }
        ConnectError::Refused { address, .. } => {
            let detail = format!("The service behind this sidecar does not listen at {address}. Is it running?");
            answer(502, "upstream-connect", detail, audience)
        }
        ConnectError::Deadline { address, .. } => {
            let detail = format!("The service behind this sidecar at {address} does not accept connections.");
            answer(504, "upstream-timeout", detail, audience)
        }
    }
}

/// The party at fault that there is no connection.
pub fn author(error: &ConnectError) -> Author {
    match error {
        ConnectError::Refused { source, .. } if is_shortage(source) => Author::Sitio,
        ConnectError::Refused { .. } | ConnectError::Deadline { .. } => Author::Service,
    }
}

/// The response if the service has closed the connection without answering.
pub fn reset(audience: Audience) -> Answer {
    let detail = "The service behind this sidecar closed the connection without an answer.";
    answer(502, "upstream-reset", detail.to_owned(), audience)
}

/// The response if the service has not answered in time.
pub fn timed_out(audience: Audience) -> Answer {
    let detail = "The service behind this sidecar did not answer in time.";
    answer(504, "upstream-timeout", detail.to_owned(), audience)
}

/// The response if the service's own response is invalid.
pub fn invalid_response(why: &str, audience: Audience) -> Answer {
    let detail = format!("The response of the service behind this sidecar is not valid HTTP: {why}.");
    answer(502, "upstream-protocol", detail, audience)
}

/// The outcome of an exchange that ends with this response of the sidecar.
pub fn outcome(answer: &Answer) -> Outcome {
    let value = |name: &str| answer.fields.iter().find(|(known, _)| *known == name).map(|(_, value)| value);
    match value(FIELD).map(|word| Outcome::from_word(word)) {
        // A word of a decorator is no outcome of the service.
        Some(outcome) => outcome.unwrap_or(Outcome::Decorator),
        None if value(RULE_FIELD).is_some() => Outcome::Rule,
        None => Outcome::Decorator,
    }
}

/// The response if a decorator that guards the service has failed.
pub fn guard_failed() -> Answer {
    let detail = "A check of this sidecar has failed, so it lets nothing through. Its log has the reason.";
    answer(503, "guard", detail.to_owned(), Audience::Program).with("Retry-After", "1")
}

/// The response if there are too many connections.
pub fn overloaded() -> Answer {
    let detail = "This sidecar has reached its connection limit.".to_owned();
    answer(503, "overloaded", detail, Audience::Program).with("Retry-After", "1")
}

/// The response if a connection has too many requests that wait for the service.
pub fn overloaded_by_requests() -> Answer {
    let detail = "Too many requests of this connection wait for the service behind this sidecar.".to_owned();
    answer(503, "overloaded", detail, Audience::Program).with("Retry-After", "1")
}

fn answer(status: u16, word: &'static str, detail: String, audience: Audience) -> Answer {
    let title = reason_of(status);
    let (kind, body) = match audience {
        Audience::Person => ("text/html; charset=utf-8", page(status, title, &detail)),
        Audience::Program => ("application/problem+json", problem(status, title, word, &detail)),
    };
    let fields = vec![("Content-Type".into(), kind.into()), ("Cache-Control".into(), "no-store".into())];
    Answer { status, fields, body: body.into() }.with(FIELD, word)
}

/// Problem details (RFC 9457).
fn problem(status: u16, title: &str, word: &str, detail: &str) -> String {
    let problem = serde_json::json!({
        "type": "about:blank", "title": title, "status": status, "detail": detail, "error": word,
    });
    format!("{problem}\n")
}

/// An HTML page. `detail` contains no text from a client, so it needs no escaping.
fn page(status: u16, title: &str, detail: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>{status} {title}</title></head>\n\
         <body><h1>{title}</h1><p>{detail}</p></body>\n</html>\n"
    )
}
