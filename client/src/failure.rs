//! What can go wrong with one question, so that whoever asked can say what to do next.

mod answered;
mod unanswered;

use std::fmt;
use std::time::Duration;

use reqwest::StatusCode;
use serde::Deserialize;

pub(crate) use crate::failure::answered::{Denial, Shown};
pub(crate) use crate::failure::unanswered::innermost;

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
    /// The proxy did not answer, or did not reach the control plane.
    #[error("{what}: no connection to {url} through the proxy {proxy} ({why})")]
    NoWayThroughProxy {
        /// What was tried.
        what: String,
        /// Where.
        url: String,
        /// The proxy, without a user and a password.
        proxy: String,
        /// What the system or the proxy said.
        why: String,
    },
    /// There is nobody on this machine whom a client could believe.
    #[error("speak TLS to {url}: no certificate authority is trusted ({why})")]
    Distrustful {
        /// Where.
        url: String,
        /// What is missing.
        why: String,
    },
    /// The certificate that was shown is not believed.
    #[error("{what}: the certificate of {url} {distrust}")]
    Untrusted {
        /// What was tried.
        what: String,
        /// Where.
        url: String,
        /// Why not.
        distrust: Distrust,
    },
    /// TLS was spoken, and something else is spoken there.
    #[error("{what}: {url} does not speak TLS")]
    NotTls {
        /// What was tried.
        what: String,
        /// Where.
        url: String,
    },
    /// TLS was not spoken, and is spoken there.
    #[error("{what}: {url} speaks TLS")]
    TlsWanted {
        /// What was tried.
        what: String,
        /// Where.
        url: String,
    },
    /// What came is no HTTP.
    #[error("{what}: {url} does not answer in HTTP ({why})")]
    NotHttp {
        /// What was tried.
        what: String,
        /// Where.
        url: String,
        /// What came.
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
    /// The way leads elsewhere.
    #[error("{what}: {url} sends us to {to}")]
    Moved {
        /// What was tried.
        what: String,
        /// Where.
        url: String,
        /// Where to.
        to: String,
    },
    /// What stands before the control plane answers in its place.
    #[error("{what}: what stands at {url} does not reach the control plane, it says {status}")]
    NotReached {
        /// What was tried.
        what: String,
        /// Where.
        url: String,
        /// What it says.
        status: StatusCode,
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

    /// Whether it was asked for something that makes no sense whenever it is asked.
    pub fn is_misuse(&self) -> bool {
        ["parameter", "command", "endpoint", "pattern"].iter().any(|kind| self.is(kind))
    }

    /// What exactly is wrong, or the title where nothing more was said.
    pub fn words(&self) -> &str {
        if self.detail.is_empty() { &self.title } else { &self.detail }
    }
}

impl Failure {
    /// Whether the same question may be answered in a moment, as when the control plane is restarted.
    pub fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::NoWayThroughProxy { .. }
                | Self::TooSlow { .. }
                | Self::BrokenOff { .. }
                | Self::NotReached { .. }
        )
    }
}

/// Why a certificate is not believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Distrust {
    /// Nobody whom we believe has signed it.
    Issuer,
    /// Its time is over.
    Expired,
    /// Its time has not come.
    NotYet,
    /// It is for these names, and for no other.
    Name(Vec<String>),
    /// It is an authority's own, which may sign others and is no server's.
    Authority,
    /// Something else is wrong with it.
    Other(String),
}

impl fmt::Display for Distrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Issuer => f.write_str("is signed by an authority that this machine does not trust"),
            Self::Expired => f.write_str("has expired"),
            Self::NotYet => f.write_str("is not valid yet"),
            Self::Name(names) if names.is_empty() => f.write_str("is for no name"),
            Self::Name(names) => write!(f, "is for {}", names.join(", ")),
            Self::Authority => f.write_str("is an authority's own (CA:TRUE), not a server's"),
            Self::Other(why) => write!(f, "cannot be believed ({why})"),
        }
    }
}
