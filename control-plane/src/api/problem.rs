//! Errors of the API as responses: `application/problem+json` (RFC 9457).

use api::problem::{DuplicateRule, Problem};
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::model::principal::Forbidden;
use crate::query::reader::commands::TestRefused;
use crate::rules::command::{CommandError, ExistingRule};
use crate::store::StoreError;

/// A problem with one request, as its response.
#[derive(Debug)]
pub struct ProblemResponse(Box<Problem>);

impl ProblemResponse {
    /// A problem of the kind `kind`.
    pub fn new(status: StatusCode, kind: &str, title: &str, detail: impl Into<String>) -> Self {
        Self(Box::new(Problem::new(status.as_u16(), kind, title, detail)))
    }

    /// An invalid parameter.
    pub fn parameter(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "parameter", "Invalid parameter", detail)
    }
}

impl IntoResponse for ProblemResponse {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(self.0)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response
    }
}

impl From<JsonRejection> for ProblemResponse {
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

impl From<QueryRejection> for ProblemResponse {
    fn from(rejection: QueryRejection) -> Self {
        Self::parameter(rejection.body_text())
    }
}

impl From<StoreError> for ProblemResponse {
    fn from(error: StoreError) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "store", "What was counted cannot be read from disk", error.to_string())
    }
}

impl From<Forbidden> for ProblemResponse {
    fn from(why: Forbidden) -> Self {
        CommandError::from(why).into()
    }
}

impl From<TestRefused> for ProblemResponse {
    fn from(why: TestRefused) -> Self {
        match why {
            TestRefused::Forbidden(why) => why.into(),
            TestRefused::NoSuchChannel { .. } => {
                Self::new(StatusCode::NOT_FOUND, "unknown-channel", "No such channel", why.to_string())
            }
        }
    }
}

impl From<CommandError> for ProblemResponse {
    fn from(error: CommandError) -> Self {
        use CommandError as Error;
        let (status, name, title) = match &error {
            Error::UnknownService { .. } => (StatusCode::NOT_FOUND, "unknown-service", "No such service"),
            Error::UnknownRule(_) => (StatusCode::NOT_FOUND, "unknown-rule", "No such rule"),
            Error::Forbidden(_) => (StatusCode::FORBIDDEN, "role", "Your role does not allow this"),
            Error::UnknownPod { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "unknown-pod", "No such pod"),
            Error::GonePod { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "gone-pod", "The pod is gone"),
            Error::Protected { .. } => (StatusCode::CONFLICT, "protected", "The endpoint is protected"),
            Error::Duplicate(_) => (StatusCode::CONFLICT, "duplicate", "Such a rule is in force already"),
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
            Error::Action(_) | Error::FileInRule(_) => {
                (StatusCode::UNPROCESSABLE_ENTITY, "action", "The decorator is configured wrongly")
            }
            Error::NoPods | Error::Reason | Error::Status(_) | Error::Ttl | Error::TooLong(_) => {
                (StatusCode::UNPROCESSABLE_ENTITY, "command", "The command makes no sense")
            }
            Error::Store(StoreError::Stale { .. }) => (StatusCode::CONFLICT, "stale", "The rules have changed in the meantime"),
            Error::Store(StoreError::Unconfirmed(_)) => {
                (StatusCode::SERVICE_UNAVAILABLE, "store", "The rules could not be written to the log on NATS")
            }
            Error::Store(_) => (StatusCode::SERVICE_UNAVAILABLE, "store", "The rules could not be written to disk"),
        };
        let mut response = Self::new(status, name, title, error.to_string());
        if let Error::Duplicate(already) = &error {
            response.0.rule = Some(Box::new(DuplicateRule::from(&**already)));
        }
        response
    }
}

impl From<&ExistingRule> for DuplicateRule {
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
