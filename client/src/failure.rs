//! What can go wrong with one question, so that whoever asked can say what to do next.

use std::time::Duration;

use reqwest::{StatusCode, Url};
use serde::Deserialize;

/// What went wrong. Each message begins with what was tried.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// No connection could be made.
    #[error("{what}: nothing answers at {url} ({why})")]
    Unreachable {
        /// What was tried.
        what: String,
        /// Where.
        url: String,
        /// What the system said.
        why: String,
    },
    /// There was no answer in time.
    #[error("{what}: {url} has not answered within {} s", .after.as_secs())]
    TooSlow {
        /// What was tried.
        what: String,
        /// Where.
        url: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// The control plane has a token, and none was shown.
    #[error("{what}: the control plane at {url} asks for its token")]
    TokenWanted {
        /// What was tried.
        what: String,
        /// Where.
        url: String,
    },
    /// Another token was shown.
    #[error("{what}: the control plane at {url} has another token than the one that was shown")]
    TokenWrong {
        /// What was tried.
        what: String,
        /// Where.
        url: String,
    },
    /// The control plane understood, and said no.
    #[error("{what}: {}", .problem.words())]
    Refused {
        /// What was tried.
        what: String,
        /// What it said.
        problem: Problem,
    },
    /// The answer is none of Sitio's.
    #[error("{what}: {url} does not answer like a control plane of Sitio: {why}")]
    Foreign {
        /// What was tried.
        what: String,
        /// Where.
        url: String,
        /// How it answers.
        why: String,
    },
    /// A stream ended within an event, or was silent for too long.
    #[error("{what}: the connection to {url} broke off ({why})")]
    BrokenOff {
        /// What was tried.
        what: String,
        /// Where.
        url: String,
        /// What the system said.
        why: String,
    },
}

/// A failure as the API tells it (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Problem {
    /// A name for this kind of problem, `urn:sitio:problem:…`.
    pub r#type: String,
    /// The same for people.
    pub title: String,
    /// The status.
    pub status: u16,
    /// What exactly is wrong.
    #[serde(default)]
    pub detail: String,
}

impl Problem {
    /// Whether it is of this kind, such as `duplicate`.
    pub fn is(&self, kind: &str) -> bool {
        self.r#type.strip_prefix("urn:sitio:problem:") == Some(kind)
    }

    /// What exactly is wrong, or the title where nothing more was said.
    pub fn words(&self) -> &str {
        if self.detail.is_empty() { &self.title } else { &self.detail }
    }
}

/// Whether a token was shown with a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// Some token.
    Token,
    /// None.
    Nothing,
}

impl Failure {
    /// What an answer with a status of failure means.
    pub(crate) fn answered(what: &str, url: &Url, status: StatusCode, body: &[u8], shown: Shown) -> Self {
        let (what, url) = (what.to_owned(), url.to_string());
        match (status, shown) {
            (StatusCode::UNAUTHORIZED, Shown::Token) => return Self::TokenWrong { what, url },
            (StatusCode::UNAUTHORIZED, Shown::Nothing) => return Self::TokenWanted { what, url },
            _ => {}
        }
        match serde_json::from_slice(body) {
            Ok(problem) => Self::Refused { what, problem },
            Err(_) => Self::Foreign { what, url, why: format!("it says {status}") },
        }
    }

    /// What it means that there was no answer.
    pub(crate) fn unanswered(what: &str, url: &Url, error: &reqwest::Error, after: Duration) -> Self {
        let (what, url) = (what.to_owned(), url.to_string());
        // A connection that takes too long is both, and then there is most likely nothing there.
        if error.is_connect() {
            return Self::Unreachable { what, url, why: innermost(error) };
        }
        if error.is_timeout() {
            return Self::TooSlow { what, url, after };
        }
        Self::BrokenOff { what, url, why: innermost(error) }
    }
}

/// The cause of all others: `connection refused`, where those above it only say that a request failed.
pub(crate) fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    // `Connection refused (os error 111)`: the number says nothing more.
    let words = cause.to_string();
    let words = words.split(" (os error").next().unwrap_or_default();
    words.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url() -> Url {
        Url::parse("http://127.0.0.1:8090/").unwrap()
    }

    #[test]
    fn a_problem_is_told_by_its_detail() {
        let body = br#"{"type":"urn:sitio:problem:duplicate","title":"Off already","status":409,"detail":"rule r1 has done it"}"#;
        let failure = Failure::answered("turn GET /x off", &url(), StatusCode::CONFLICT, body, Shown::Nothing);
        assert_eq!(failure.to_string(), "turn GET /x off: rule r1 has done it");
        assert!(matches!(failure, Failure::Refused { problem, .. } if problem.is("duplicate")));
    }

    #[test]
    fn a_missing_token_and_a_wrong_one_are_told_apart() {
        let answered = |shown| Failure::answered("list the pods", &url(), StatusCode::UNAUTHORIZED, b"", shown);
        assert!(matches!(answered(Shown::Nothing), Failure::TokenWanted { .. }));
        assert!(matches!(answered(Shown::Token), Failure::TokenWrong { .. }));
    }

    #[test]
    fn somebody_else_s_answer_is_none_of_ours() {
        let failure = Failure::answered("list the pods", &url(), StatusCode::NOT_FOUND, b"<html>", Shown::Nothing);
        let words = "list the pods: http://127.0.0.1:8090/ does not answer like a control plane of Sitio: it says 404 Not Found";
        assert_eq!(failure.to_string(), words);
    }
}
