//! Answers a TRACE or OPTIONS request whose Max-Forwards is 0 (RFC 9110, section 7.6.2).

use crate::head::Version;
use crate::head::answer::Answer;
use crate::head::request::RequestHead;

/// Fields that are not reflected. An attacker who makes a browser send a TRACE could otherwise read them
/// (RFC 9110, section 9.3.8).
const SECRET: [&str; 4] = ["authorization", "cookie", "proxy-authorization", "x-api-key"];

/// The response of the final recipient: TRACE returns the request's head, OPTIONS an empty body.
pub(crate) fn answer(head: &RequestHead<'_, '_>) -> Answer {
    if head.method != "TRACE" {
        return Answer { status: 200, fields: Vec::new(), body: "".into() };
    }
    let version = if head.version == Version::Http10 { "1.0" } else { "1.1" };
    let mut body = format!("{} {} HTTP/{version}\r\n", head.method, head.target).into_bytes();
    for field in head.fields.iter().filter(|field| !SECRET.iter().any(|secret| field.name.eq_ignore_ascii_case(secret))) {
        body.extend_from_slice(field.name.as_bytes());
        body.extend_from_slice(b": ");
        body.extend_from_slice(field.value);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"\r\n");
    Answer { status: 200, fields: vec![("Content-Type".into(), "message/http".into())], body: body.into() }
}
