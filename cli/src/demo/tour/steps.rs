//! The steps of the tour: a decorator each, and the requests that show what it does.

use std::net::SocketAddr;

use crate::demo::tour::client::{Shown, TourRequest};
use crate::demo::tour::provider::{AUDIENCE, Provider};

/// A decorator, and the requests that show it.
#[derive(Debug)]
pub(super) struct TourStep {
    /// The decorator.
    pub(super) name: &'static str,
    /// What it does, in one sentence.
    pub(super) about: &'static str,
    /// What it covers.
    pub(super) route: &'static str,
    /// The actions in YAML; one, or two that work together.
    pub(super) actions: Vec<String>,
    /// The requests.
    pub(super) requests: Vec<TourRequest>,
}

/// All steps but the last, which needs no decorator.
pub(super) fn steps(canary: SocketAddr, entrance: SocketAddr, provider: &Provider) -> Vec<TourStep> {
    [answering(), resilient(), vec![split(canary)], guarding(entrance, provider)].into_iter().flatten().collect()
}

fn step(name: &'static str, about: &'static str, action: &str, requests: Vec<TourRequest>) -> TourStep {
    TourStep { name, about, route: "/legacy/*", actions: vec![format!("{name}: {action}")], requests }
}

fn answering() -> Vec<TourStep> {
    vec![
        step(
            "disable",
            "Turns endpoints off, here only for some callers.",
            "{status: 503}",
            vec![TourRequest::get("/legacy/export").shows(Shown::Field("retry-after"))],
        ),
        step(
            "error-page",
            "Replaces error responses by a page, or by problem details for programs.",
            r#"{on: [404], html: "<h1>{status}: look somewhere else</h1>", problem: "there is no {path}"}"#,
            vec![
                TourRequest::get("/legacy/nothing").with("accept", "text/html").shows(Shown::Body),
                TourRequest::get("/legacy/nothing").with("accept", "application/json").shows(Shown::Body),
            ],
        ),
        step(
            "fault",
            "Delays requests and answers them with an error, to test callers.",
            "{delay: 300ms, abort: 503}",
            vec![TourRequest::get("/legacy/status")],
        ),
        step(
            "headers",
            "Edits header fields; the preset security protects browsers.",
            "{preset: security}",
            vec![TourRequest::get("/legacy/report.csv").shows(Shown::Field("x-frame-options"))],
        ),
        step(
            "rate-limit",
            "Answers requests over a rate with 429.",
            "{requests: 2, per: 30s, by: caller}",
            vec![TourRequest::get("/legacy/report.csv").times(4).shows(Shown::Field("retry-after"))],
        ),
    ]
}

fn resilient() -> Vec<TourStep> {
    let breaker = "circuit-breaker: {failures: 1, open_for: 30s}";
    vec![
        step(
            "timeout",
            "Limits how long the service may take.",
            "{response: 100ms}",
            vec![TourRequest::get("/legacy/archive").shows(Shown::Field("x-sitio-error"))],
        ),
        step(
            "retry",
            "Sends a request again that failed; without it, every second answer of this endpoint is 503.",
            "{attempts: 2, on: [503]}",
            vec![TourRequest::get("/legacy/status").times(4)],
        ),
        TourStep {
            actions: vec![breaker.to_owned(), "timeout: {response: 100ms}".to_owned()],
            ..step(
                "circuit-breaker",
                "Keeps requests from a service that fails; the time limit makes it fail.",
                "",
                vec![TourRequest::get("/legacy/archive").times(3).shows(Shown::Field("x-sitio-decorator"))],
            )
        },
    ]
}

fn split(canary: SocketAddr) -> TourStep {
    step(
        "split",
        "Sends a share of the clients to a second version, and compares both.",
        &format!(r#"{{to: "{canary}", percent: 50, by: "header:X-Client"}}"#),
        vec![TourRequest::get("/legacy/status").of_clients(600)],
    )
}

fn guarding(entrance: SocketAddr, provider: &Provider) -> Vec<TourStep> {
    let issuer = provider.issuer();
    let token = |audience: &str| format!("Bearer {}", provider.access_token(audience));
    vec![
        step(
            "jwt",
            "Lets only requests with a valid access token pass: without one, with one for another service, with a right one.",
            &format!(r#"{{issuer: "{issuer}", audience: [{AUDIENCE}]}}"#),
            vec![
                TourRequest::get("/legacy/report.csv").shows(Shown::Field("www-authenticate")),
                TourRequest::get("/legacy/report.csv")
                    .with("authorization", token("billing"))
                    .shows(Shown::Field("www-authenticate")),
                TourRequest::get("/legacy/report.csv").with("authorization", token(AUDIENCE)),
            ],
        ),
        TourStep {
            route: "/*",
            ..step(
                "login",
                "Signs people in at an OpenID provider, in front of a service that knows nothing of it.",
                &format!(
                    r#"{{issuer: "{issuer}", client_id: {AUDIENCE}, public_url: "http://{entrance}", forward: {{X-User: sub}}}}"#
                ),
                vec![TourRequest::get("/legacy/report.csv").with("accept", "text/html").signs_in()],
            )
        },
    ]
}
