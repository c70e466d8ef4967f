//! `error-page`: replaces responses by a page for people, or by problem details for programs.

use std::borrow::Cow;
use std::path::Path;
use std::time::SystemTime;

use decorators::error_page::{ErrorPage, JsonBodies, WITHOUT_CONTENT};
use platform::config_file;

use crate::decorator::pod_names::PodNames;
use crate::decorator::response::Response;
use crate::decorator::{Decorator, Step};
use crate::head::answer::{Answer, Audience, reason_of};

pub(super) struct ErrorPages {
    config: ErrorPage,
    html: Option<String>,
    pod: PodNames,
}

impl ErrorPages {
    /// Reads the page, if it is in a file.
    pub(super) fn new(config: ErrorPage, pod: PodNames) -> Result<Self, String> {
        let html = match &config.html_file {
            Some(file) => Some(config_file::read(Path::new(file)).map_err(|why| format!("error-page: read {file}: {why}"))?),
            None => config.html.clone(),
        };
        Ok(Self { config, html, pod })
    }

    fn answer(&self, response: &Response<'_>) -> Answer {
        let status = self.config.status.unwrap_or(response.status);
        let answer = match (&self.html, &self.config.problem, response.request.audience) {
            (Some(html), _, Audience::Person) | (Some(html), None, _) => {
                let body = fill(html, |field| Some(escape_html(&self.value(field, status, response)?).into_owned()));
                Answer { status, fields: vec![("Content-Type".into(), "text/html; charset=utf-8".into())], body: body.into() }
            }
            (_, problem, _) => {
                let detail = fill(problem.as_deref().unwrap_or_default(), |field| self.value(field, status, response));
                // Problem details (RFC 9457).
                let body = serde_json::json!({
                    "type": "about:blank", "title": reason_of(status), "status": status, "detail": detail,
                });
                let fields = vec![("Content-Type".into(), "application/problem+json".into())];
                Answer { status, fields, body: format!("{body}\n").into() }
            }
        };
        let answer = self.config.fields.iter().fold(answer.with("Cache-Control", "no-store"), |mut answer, (name, value)| {
            answer.fields.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
            answer.with(name.clone(), value.clone())
        });
        // What a caller needs besides the page: when to come again, how to sign in, where to go.
        ["Retry-After", "WWW-Authenticate", "Allow"].into_iter().fold(answer, |answer, name| {
            let value = response.field(name).and_then(|value| std::str::from_utf8(value).ok());
            match value.filter(|_| status == response.status) {
                Some(value) => answer.with(name, value.to_owned()),
                None => answer,
            }
        })
    }

    fn value(&self, field: &str, status: u16, response: &Response<'_>) -> Option<String> {
        let request = &response.request;
        Some(match field {
            "status" => status.to_string(),
            "reason" => reason_of(status).to_owned(),
            "method" => request.endpoint.method().to_owned(),
            "route" => request.endpoint.route().to_owned(),
            "path" => request.path.to_owned(),
            "service" => self.pod.service.to_string(),
            "pod" => self.pod.pod.to_string(),
            "time" => httpdate::fmt_http_date(SystemTime::now()),
            "request_id" => request_id(response),
            _ => return None,
        })
    }
}

impl Decorator for ErrorPages {
    fn name(&self) -> &'static str {
        "error-page"
    }

    fn after(&self, response: &mut Response<'_>) -> Step {
        let is_replaced = self.config.on.iter().any(|set| set.contains(response.status));
        if !is_replaced || WITHOUT_CONTENT.contains(&response.status) {
            return Step::Pass;
        }
        if self.config.json == JsonBodies::Keep && response.field("content-type").is_some_and(is_json) {
            return Step::Pass;
        }
        Step::Answer(self.answer(response))
    }
}

/// By what the caller and the logs can find the request: the service's own id, else that of the trace.
fn request_id(response: &Response<'_>) -> String {
    let own = response.field("x-request-id").map(|id| String::from_utf8_lossy(id).into_owned());
    own.or_else(|| response.request.trace.map(|trace| trace.trace.to_string())).unwrap_or_else(|| "none".to_owned())
}

/// Whether a content type is JSON (RFC 8259) or is based on it (RFC 6839, section 3.1).
fn is_json(content_type: &[u8]) -> bool {
    let kind = content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
    kind == b"application/json" || kind.ends_with(b"+json")
}

/// Replaces `{name}` where `value` knows the name. Other braces stay, as in a style sheet.
fn fill(template: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        let (before, from) = rest.split_at(open);
        filled.push_str(before);
        let name = from[1..].find('}').map(|close| &from[1..=close]);
        if let Some((name, value)) = name.and_then(|name| Some((name, value(name)?))) {
            filled.push_str(&value);
            rest = &from[name.len() + 2..];
        } else {
            filled.push('{');
            rest = &from[1..];
        }
    }
    filled.push_str(rest);
    filled
}

fn escape_html(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<', '>', '"', '\'']) {
        return text.into();
    }
    let escaped = text.chars().fold(String::with_capacity(text.len() + 16), |mut escaped, letter| {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
        escaped
    });
    escaped.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_filled_in_and_other_braces_stay() {
        let value = |name: &str| (name == "status").then(|| "404".to_owned());
        assert_eq!(fill("<style>p{color:red}</style>{status} {other} {", value), "<style>p{color:red}</style>404 {other} {");
        assert_eq!(fill("{{status}}", value), "{404}");
    }

    #[test]
    fn json_is_recognised_by_its_type() {
        for kind in ["application/json", "Application/JSON; charset=utf-8", "application/problem+json"] {
            assert!(is_json(kind.as_bytes()), "{kind}");
        }
        for kind in ["text/html", "application/jsonp", "text/json-like", ""] {
            assert!(!is_json(kind.as_bytes()), "{kind}");
        }
    }

    #[test]
    fn what_a_caller_sends_cannot_become_markup() {
        assert_eq!(escape_html("/<script>'\"&"), "/&lt;script&gt;&#39;&quot;&amp;");
    }
}
