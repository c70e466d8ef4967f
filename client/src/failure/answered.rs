//! Maps a response with an error status to a [`Failure`].

use reqwest::header::LOCATION;
use reqwest::{Response, StatusCode, Url};

use crate::failure::Failure;

/// Whether a token was sent with the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// A token was sent.
    Token,
    /// No token was sent.
    Nothing,
}

/// Status and location of a response that is not a success.
#[derive(Debug, Clone)]
pub(crate) struct Denial {
    status: StatusCode,
    location: Option<String>,
}

impl Denial {
    /// Extracts status and location of a response.
    pub(crate) fn of(response: &Response) -> Self {
        let location = response.headers().get(LOCATION).map(|location| String::from_utf8_lossy(location.as_bytes()).into_owned());
        Self { status: response.status(), location }
    }
}

impl Failure {
    /// The failure for a response with an error status.
    pub(crate) fn answered(what: &str, url: &Url, denial: Denial, body: &[u8], shown: Shown) -> Self {
        let (what, scheme, url) = (what.to_owned(), url.scheme(), url.to_string());
        if let Ok(problem) = serde_json::from_slice(body)
            && denial.status != StatusCode::UNAUTHORIZED
        {
            return Self::Refused { what, problem };
        }
        match (denial.status, denial.location, shown) {
            (StatusCode::UNAUTHORIZED, _, Shown::Token) => Self::TokenWrong { what, url },
            (StatusCode::UNAUTHORIZED, _, Shown::Nothing) => Self::TokenWanted { what, url },
            (StatusCode::BAD_REQUEST, ..) if scheme == "http" && wants_tls(body) => Self::TlsWanted { what, url },
            (status, Some(to), _) if status.is_redirection() => Self::Moved { what, url, to },
            (status @ (StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT), ..) => {
                Self::NotReached { what, url, status }
            }
            (status, ..) => Self::Foreign { what, url, why: format!("it says {status}") },
        }
    }
}

/// Whether an error page is the one of nginx, Go or Apache for plain HTTP on a TLS port.
fn wants_tls(page: &[u8]) -> bool {
    let page = String::from_utf8_lossy(page);
    ["HTTPS port", "HTTPS server", "SSL-enabled server port"].iter().any(|words| page.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url() -> Url {
        Url::parse("http://127.0.0.1:8090/").unwrap()
    }

    fn denial(status: StatusCode) -> Denial {
        Denial { status, location: None }
    }

    #[test]
    fn a_problem_is_told_by_its_detail() {
        let body = br#"{"type":"urn:sitio:problem:duplicate","title":"Off already","status":409,"detail":"rule r1 has done it"}"#;
        let failure = Failure::answered("turn GET /x off", &url(), denial(StatusCode::CONFLICT), body, Shown::Nothing);
        assert_eq!(failure.to_string(), "turn GET /x off: rule r1 has done it");
        assert!(matches!(failure, Failure::Refused { problem, .. } if problem.is("duplicate")));
    }

    #[test]
    fn a_missing_token_and_a_wrong_one_are_told_apart() {
        let answered = |shown| Failure::answered("list the pods", &url(), denial(StatusCode::UNAUTHORIZED), b"", shown);
        assert!(matches!(answered(Shown::Nothing), Failure::TokenWanted { .. }));
        assert!(matches!(answered(Shown::Token), Failure::TokenWrong { .. }));
    }

    #[test]
    fn somebody_else_s_answer_is_none_of_ours() {
        let failure = Failure::answered("list the pods", &url(), denial(StatusCode::NOT_FOUND), b"<html>", Shown::Nothing);
        let words = "list the pods: http://127.0.0.1:8090/ does not answer like a control plane of Sitio: it says 404 Not Found";
        assert_eq!(failure.to_string(), words);
    }

    #[test]
    fn what_stands_before_the_control_plane_is_told_apart_from_it() {
        let answered = |denial, page: &str| Failure::answered("list the pods", &url(), denial, page.as_bytes(), Shown::Nothing);
        let nginx = "<center>The plain HTTP request was sent to HTTPS port</center>";
        assert!(matches!(answered(denial(StatusCode::BAD_REQUEST), nginx), Failure::TlsWanted { .. }));
        let page = "<h1>Application is not available</h1>";
        assert!(matches!(answered(denial(StatusCode::SERVICE_UNAVAILABLE), page), Failure::NotReached { .. }));
        let moved = Denial { status: StatusCode::FOUND, location: Some("https://mesh.example/".into()) };
        assert!(matches!(answered(moved, ""), Failure::Moved { to, .. } if to == "https://mesh.example/"));
    }
}
