//! Errors of a request to the control plane, in enough detail to advise the user.

use std::fmt;
use std::time::Duration;

use reqwest::{StatusCode, Url};

use crate::problem::Problem;

/// Why a request failed. Each message begins with what was tried.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// No connection could be made.
    #[error("{what}: nothing answers at {url} ({why})")]
    Unreachable {
        /// What was tried.
        what: String,
        /// The URL of the control plane.
        url: String,
        /// The system's error message.
        why: String,
    },
    /// The proxy did not answer, or could not reach the control plane.
    #[error("{what}: no connection to {url} through the proxy {proxy} ({why})")]
    ProxyFailed {
        /// What was tried.
        what: String,
        /// The URL of the control plane.
        url: String,
        /// The proxy, without user and password.
        proxy: String,
        /// The error message of the system or of the proxy.
        why: String,
    },
    /// No trusted certificate authority is available on this machine.
    #[error("speak TLS to {url}: no certificate authority is trusted ({why})")]
    NoAuthorities {
        /// The URL of the control plane.
        url: String,
        /// What is missing.
        why: String,
    },
    /// The server's certificate is not trusted.
    #[error("{what}: the certificate of {url} {problem}")]
    Untrusted {
        /// What was tried.
        what: String,
        /// The URL of the control plane.
        url: String,
        /// The reason.
        problem: CertificateProblem,
    },
    /// We used TLS, but the server does not.
    #[error("{what}: {url} does not speak TLS")]
    NotTls {
        /// What was tried.
        what: String,
        /// The URL of the control plane.
        url: String,
    },
    /// We used plain HTTP, but the server uses TLS.
    #[error("{what}: {url} speaks TLS")]
    TlsWanted {
        /// What was tried.
        what: String,
        /// The URL of the control plane.
        url: String,
    },
    /// The response is not HTTP.
    #[error("{what}: {url} does not answer in HTTP ({why})")]
    NotHttp {
        /// What was tried.
        what: String,
        /// The URL of the control plane.
        url: String,
        /// The parser's error message.
        why: String,
    },
    /// There was no response in time.
    #[error("{what}: {url} has not answered within {} s", .after.as_secs())]
    TooSlow {
        /// What was tried.
        what: String,
        /// The URL of the control plane.
        url: String,
        /// The timeout.
        after: Duration,
    },
    /// The control plane requires a token, and none was sent.
    #[error("{what}: the control plane at {url} asks for its token")]
    TokenWanted {
        /// What was tried.
        what: String,
        /// The URL of the control plane.
        url: String,
    },
    /// The token that was sent is wrong.
    #[error("{what}: the control plane at {url} has another token than the one that was shown")]
    TokenWrong {
        /// What was tried.
        what: String,
        /// The URL of the control plane.
        url: String,
    },
    /// The control plane refused the request.
    #[error("{what}: {}", .problem.words())]
    Refused {
        /// What was tried.
        what: String,
        /// The problem that it reported.
        problem: Problem,
    },
    /// The server redirects to another URL.
    #[error("{what}: {url} sends us to {to}")]
    Moved {
        /// What was tried.
        what: String,
        /// The URL of the control plane.
        url: String,
        /// The target of the redirect.
        to: String,
    },
    /// A gateway in front of the control plane answered instead of it.
    #[error("{what}: what stands at {url} does not reach the control plane, it says {status}")]
    NotReached {
        /// What was tried.
        what: String,
        /// The URL of the control plane.
        url: String,
        /// The status of the gateway.
        status: StatusCode,
    },
    /// The response is not from a Sitio control plane.
    #[error("{what}: {url} does not answer like a control plane of Sitio: {why}")]
    NotSitio {
        /// What was tried.
        what: String,
        /// The URL that answered.
        url: String,
        /// What is wrong with the response.
        why: String,
    },
    /// A stream ended within an event, or was silent for too long.
    #[error("{what}: the connection to {url} broke off ({why})")]
    ConnectionLost {
        /// What was tried.
        what: String,
        /// The URL of the control plane.
        url: String,
        /// The system's error message.
        why: String,
    },
}

impl Failure {
    pub(super) fn not_sitio(what: &str, url: &Url, why: String) -> Self {
        Self::NotSitio { what: what.to_owned(), url: url.to_string(), why }
    }

    /// Whether a retry may succeed soon, as when the control plane is restarted.
    pub fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::ProxyFailed { .. }
                | Self::TooSlow { .. }
                | Self::ConnectionLost { .. }
                | Self::NotReached { .. }
        )
    }
}

/// Why a certificate is not trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificateProblem {
    /// No trusted authority has signed it.
    Issuer,
    /// It has expired.
    Expired,
    /// It is not valid yet.
    NotYet,
    /// It is valid only for these names.
    Name(Vec<String>),
    /// It is a certificate authority's own certificate, not a server's.
    Authority,
    /// Another reason.
    Other(String),
}

impl fmt::Display for CertificateProblem {
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
