//! `application/problem+json`: an error of the API (RFC 9457).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The beginning of the URN of every kind of problem.
const URN_PREFIX: &str = "urn:sitio:problem:";

/// An error (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// The URN of the kind of problem, which programs may rely on.
    pub r#type: String,
    /// A short description for people.
    pub title: String,
    /// The status.
    pub status: u16,
    /// What is wrong.
    #[serde(default)]
    #[schema(required)]
    pub detail: String,
    /// For the type `duplicate` only: the rule that is in force already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub rule: Option<Box<DuplicateRule>>,
}

/// The rule that already does what a command requested.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DuplicateRule {
    /// Its id.
    pub id: String,
    /// The author.
    pub by: String,
    /// The reason that the author gave.
    pub reason: String,
    /// When it was created.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When it expires; null if only a person ends it.
    #[schema(format = DateTime, required)]
    pub expires_at: Option<String>,
}

impl Problem {
    /// A problem of this kind, such as `duplicate`.
    pub fn new(status: u16, kind: &str, title: &str, detail: impl Into<String>) -> Self {
        Self { r#type: format!("{URN_PREFIX}{kind}"), title: title.to_owned(), status, detail: detail.into(), rule: None }
    }

    /// Whether it is of this kind, such as `duplicate`.
    pub fn is(&self, kind: &str) -> bool {
        self.r#type.strip_prefix(URN_PREFIX) == Some(kind)
    }

    /// Whether the request itself is invalid, so that a retry cannot succeed.
    pub fn is_misuse(&self) -> bool {
        ["parameter", "command", "endpoint", "pattern"].iter().any(|kind| self.is(kind))
    }

    /// The details, or the title if there are none.
    pub fn words(&self) -> &str {
        if self.detail.is_empty() { &self.title } else { &self.detail }
    }
}
