//! Maps a response with an error status to a [`Failure`].

use reqwest::header::LOCATION;
use reqwest::{Response, StatusCode, Url};

use crate::client::failure::Failure;

/// Whether a token was sent with the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenSent {
    /// A token was sent.
    Yes,
    /// No token was sent.
    No,
}

/// Status and location of a response that is not a success.
#[derive(Debug, Clone)]
pub(super) struct ErrorHead {
    status: StatusCode,
    location: Option<String>,
}

impl ErrorHead {
    /// Extracts status and location of a response.
    pub(super) fn from_response(response: &Response) -> Self {
        let location = response.headers().get(LOCATION).map(|location| String::from_utf8_lossy(location.as_bytes()).into_owned());
        Self { status: response.status(), location }
    }
}

/// The failure for a response with an error status.
pub(super) fn failure(what: &str, url: &Url, head: ErrorHead, body: &[u8], token: TokenSent) -> Failure {
    let (what, scheme, url) = (what.to_owned(), url.scheme(), url.to_string());
    if let Ok(problem) = serde_json::from_slice(body)
        && head.status != StatusCode::UNAUTHORIZED
    {
        return Failure::Refused { what, problem };
    }
    match (head.status, head.location, token) {
        (StatusCode::UNAUTHORIZED, _, TokenSent::Yes) => Failure::TokenWrong { what, url },
        (StatusCode::UNAUTHORIZED, _, TokenSent::No) => Failure::TokenWanted { what, url },
        (StatusCode::BAD_REQUEST, ..) if scheme == "http" && wants_tls(body) => Failure::TlsWanted { what, url },
        (status, Some(to), _) if status.is_redirection() => Failure::Moved { what, url, to },
        (status @ (StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT), ..) => {
            Failure::NotReached { what, url, status }
        }
        (status, ..) => Failure::NotSitio { what, url, why: format!("it says {status}") },
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

    fn head(status: StatusCode) -> ErrorHead {
        ErrorHead { status, location: None }
    }

    #[test]
    fn a_problem_is_shown_with_its_detail() {
        let body = br#"{"type":"urn:sitio:problem:duplicate","title":"Off already","status":409,"detail":"rule r1 has done it"}"#;
        let refused = failure("turn GET /x off", &url(), head(StatusCode::CONFLICT), body, TokenSent::No);
        assert_eq!(refused.to_string(), "turn GET /x off: rule r1 has done it");
        assert!(matches!(refused, Failure::Refused { problem, .. } if problem.is("duplicate")));
    }

    #[test]
    fn a_missing_token_and_a_wrong_one_are_distinguished() {
        let answered = |token| failure("list the pods", &url(), head(StatusCode::UNAUTHORIZED), b"", token);
        assert!(matches!(answered(TokenSent::No), Failure::TokenWanted { .. }));
        assert!(matches!(answered(TokenSent::Yes), Failure::TokenWrong { .. }));
    }

    #[test]
    fn a_response_of_another_server_is_recognised() {
        let foreign = failure("list the pods", &url(), head(StatusCode::NOT_FOUND), b"<html>", TokenSent::No);
        let words = "list the pods: http://127.0.0.1:8090/ does not answer like a control plane of Sitio: it says 404 Not Found";
        assert_eq!(foreign.to_string(), words);
    }

    #[test]
    fn a_gateway_before_the_control_plane_is_recognised() {
        let answered = |head, page: &str| failure("list the pods", &url(), head, page.as_bytes(), TokenSent::No);
        let nginx = "<center>The plain HTTP request was sent to HTTPS port</center>";
        assert!(matches!(answered(head(StatusCode::BAD_REQUEST), nginx), Failure::TlsWanted { .. }));
        let page = "<h1>Application is not available</h1>";
        assert!(matches!(answered(head(StatusCode::SERVICE_UNAVAILABLE), page), Failure::NotReached { .. }));
        let moved = ErrorHead { status: StatusCode::FOUND, location: Some("https://mesh.example/".into()) };
        assert!(matches!(answered(moved, ""), Failure::Moved { to, .. } if to == "https://mesh.example/"));
    }
}
