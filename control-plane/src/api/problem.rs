//! Errors of the API: `application/problem+json` (RFC 9457).

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::rules::command::{CommandError, ExistingRule};
use crate::store::StoreError;

/// What went wrong with one request.
#[derive(Debug, Serialize)]
pub struct Problem {
    /// The URN of this kind of problem, which programs may rely on.
    r#type: String,
    title: &'static str,
    status: u16,
    detail: String,
    /// The existing rule that already does what was requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<Box<RuleInForce>>,
}

/// The author, reason and expiry of the existing rule.
#[derive(Debug, Serialize)]
struct RuleInForce {
    id: String,
    by: String,
    reason: String,
    created_at: String,
    expires_at: Option<String>,
}

impl Problem {
    /// A problem of the kind `name`.
    pub fn new(status: StatusCode, name: &str, title: &'static str, detail: impl Into<String>) -> Self {
        Self { r#type: format!("urn:sitio:problem:{name}"), title, status: status.as_u16(), detail: detail.into(), rule: None }
    }

    /// An invalid parameter.
    pub fn parameter(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "parameter", "A parameter makes no sense", detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(self)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        let title = match rejection.status() {
            StatusCode::UNSUPPORTED_MEDIA_TYPE => "The body must be JSON, with Content-Type: application/json",
            StatusCode::PAYLOAD_TOO_LARGE => "The body is too long",
            StatusCode::UNPROCESSABLE_ENTITY => "The JSON is not a rule",
            _ => "The body is not JSON",
        };
        Self::new(rejection.status(), "body", title, rejection.body_text())
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::parameter(rejection.body_text())
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "store", "What was counted cannot be read from disk", error.to_string())
    }
}

impl From<CommandError> for Problem {
    fn from(error: CommandError) -> Self {
        use CommandError as Error;
        let (status, name, title) = match &error {
            Error::UnknownService { .. } => (StatusCode::NOT_FOUND, "unknown-service", "No such service"),
            Error::UnknownRule(_) => (StatusCode::NOT_FOUND, "unknown-rule", "No such rule"),
            Error::UnknownPod { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "unknown-pod", "No such pod"),
            Error::GonePod { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "gone-pod", "The pod is gone"),
            Error::Protected { .. } => (StatusCode::CONFLICT, "protected", "The endpoint is protected"),
            Error::Duplicate(_) => (StatusCode::CONFLICT, "duplicate", "The endpoint is off already"),
            Error::Ended(_) => (StatusCode::CONFLICT, "ended", "The rule has ended already"),
            Error::TooMany(_) => (StatusCode::CONFLICT, "too-many-rules", "Too many rules are in force"),
            Error::CountedElsewhere { .. } => {
                (StatusCode::UNPROCESSABLE_ENTITY, "counted-elsewhere", "The route is counted under another name")
            }
            Error::Unseen { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "unseen", "No request for it was ever counted"),
            Error::Ambiguous { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "ambiguous", "The route could be several"),
            Error::Endpoint(_) | Error::SharedEndpoint | Error::Prefix(_) => {
                (StatusCode::UNPROCESSABLE_ENTITY, "endpoint", "That is no endpoint that can be turned off")
            }
            Error::Pattern(_) => (StatusCode::UNPROCESSABLE_ENTITY, "pattern", "That is no pattern"),
            Error::PinnedAlready(_) => (StatusCode::CONFLICT, "pinned", "The pattern is pinned already"),
            Error::TooManyPins => (StatusCode::CONFLICT, "too-many-pins", "Too many patterns are pinned"),
            Error::WouldTurnOn { .. } => (StatusCode::CONFLICT, "would-turn-on", "The pattern would turn an endpoint on"),
            Error::NoPods | Error::Reason | Error::Status(_) | Error::Ttl | Error::TooLong(_) => {
                (StatusCode::UNPROCESSABLE_ENTITY, "command", "The command makes no sense")
            }
            Error::Store(StoreError::Stale { .. }) => (StatusCode::CONFLICT, "stale", "The rules have changed in the meantime"),
            Error::Store(_) => (StatusCode::SERVICE_UNAVAILABLE, "store", "The rules could not be written to disk"),
        };
        let rule = match &error {
            Error::Duplicate(already) => Some(Box::new(RuleInForce::from(&**already))),
            _ => None,
        };
        Self { rule, ..Self::new(status, name, title, error.to_string()) }
    }
}

impl From<&ExistingRule> for RuleInForce {
    fn from(already: &ExistingRule) -> Self {
        let rule = &already.rule;
        Self {
            id: rule.id.clone(),
            by: rule.by.clone(),
            reason: rule.reason.clone(),
            created_at: already.since(),
            expires_at: already.until(),
        }
    }
}
