//! What `login` answers in the service's place.

use std::borrow::Cow;

use decorators::login::LOGIN_PREFIX;

use crate::head::answer::Answer;

/// Leads the browser on.
pub(super) fn lead_to(there: impl Into<Cow<'static, str>>) -> Answer {
    uncached(Answer::text(302, "")).with("Location", there)
}

/// A request that is no page, without a session.
pub(super) fn no_session(issuer: &str) -> Answer {
    let text = format!("No one is signed in. A browser can sign in at {LOGIN_PREFIX}start\n");
    uncached(Answer::text(401, text)).with("WWW-Authenticate", format!("OpenID realm=\"{issuer}\""))
}

/// The provider gives no answer.
pub(super) fn provider_away() -> Answer {
    page(503, "The sign-in service cannot be used now", "Try again in a moment. The log of the sidecar has the reason.")
        .with("Retry-After", "10")
}

/// The return belongs to no sign-in of this browser.
pub(super) fn not_begun() -> Answer {
    let text = "It was not begun in this browser, it took longer than ten minutes, or another one was begun meanwhile.";
    page(403, "Not signed in", text)
}

/// The provider has not signed the user in.
pub(super) fn cancelled() -> Answer {
    page(403, "Not signed in", "The sign-in was cancelled or refused.")
}

/// The user may not use the service.
pub(super) fn no_role() -> Answer {
    page(403, "No access", "You are signed in, and your account has not all roles that this service requires.")
}

/// The claims do not fit into a cookie.
pub(super) fn too_large(claim: &str) -> Answer {
    tracing::error!(claim, "a sign-in failed: the claims of `forward` are too large for a cookie: forward fewer");
    page(500, "Not signed in", "Your account has more roles than this service can be given.")
}

/// The session has ended.
pub(super) fn signed_out() -> Answer {
    page(200, "Signed out", "The session of this browser has ended.")
}

/// A reserved address that is none.
pub(super) fn nothing() -> Answer {
    page(404, "Not found", "There is nothing at this address.")
}

/// A page. No text of it is from a client, so it needs no escaping.
fn page(status: u16, title: &str, text: &str) -> Answer {
    let body = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>{title}</title></head>\n<body><main><h1>{title}</h1><p>{text}</p>\
         <p><a href=\"{LOGIN_PREFIX}start\">Sign in</a> <a href=\"{LOGIN_PREFIX}sign-out\">Sign out</a></p></main></body>\n</html>\n"
    );
    let fields = vec![("Content-Type".into(), "text/html; charset=utf-8".into())];
    let policy = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'";
    uncached(Answer { status, fields, body: body.into() })
        .with("Content-Security-Policy", policy)
        .with("Referrer-Policy", "no-referrer")
}

fn uncached(answer: Answer) -> Answer {
    answer.with("Cache-Control", "no-store")
}
