//! Maps a transport error to a [`Failure`], based on its causes.

use std::error::Error;
use std::io;
use std::time::Duration;

use reqwest::Url;
use rustls::{CertificateError, OtherError};

use crate::client::failure::{CertificateProblem, Failure};
use crate::client::trust::is_authority;

/// Names of a certificate in an error message. Some certificates have a hundred.
const NAMES_MAX: usize = 4;

/// The failure for a request without a response.
pub(super) fn failure(what: &str, url: &Url, error: &reqwest::Error, after: Duration) -> Failure {
    let (what, url) = (what.to_owned(), url.to_string());
    match found::<rustls::Error>(error) {
        Some(rustls::Error::InvalidCertificate(why)) => {
            return Failure::Untrusted { what, url, problem: certificate_problem(why) };
        }
        Some(rustls::Error::InvalidMessage(_)) => return Failure::NotTls { what, url },
        _ => {}
    }
    if causes(error).filter_map(|cause| cause.downcast_ref()).any(is_no_http) {
        return Failure::NotHttp { what, url, why: innermost(error) };
    }
    // A connect timeout is both errors; most likely the address is not in use.
    if error.is_connect() {
        return Failure::Unreachable { what, url, why: innermost(error) };
    }
    if error.is_timeout() {
        return Failure::TooSlow { what, url, after };
    }
    Failure::ConnectionLost { what, url, why: innermost(error) }
}

fn certificate_problem(why: &CertificateError) -> CertificateProblem {
    match why {
        // A re-created authority has the name of the old one but another key.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => CertificateProblem::Issuer,
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => CertificateProblem::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => CertificateProblem::NotYet,
        CertificateError::NotValidForName => CertificateProblem::Name(Vec::new()),
        CertificateError::NotValidForNameContext { presented, .. } => CertificateProblem::Name(names(presented)),
        other if is_authority(other) => CertificateProblem::Authority,
        CertificateError::Other(OtherError(cause)) => CertificateProblem::Other(words(&cause.to_string())),
        other => CertificateProblem::Other(words(&other.to_string())),
    }
}

/// Converts an error name of the TLS libraries, such as `UnsupportedCertVersion`, into words.
fn words(name: &str) -> String {
    if name.contains(|letter: char| !letter.is_ascii_alphanumeric()) {
        // A sentence, or a name with values that do not help a user.
        return if name.contains(['{', '(']) { "it is not valid for a server".to_owned() } else { name.to_owned() };
    }
    let mut words = String::with_capacity(name.len() + 8);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(letter.to_ascii_lowercase());
    }
    words
}

/// The first names of a certificate; rustls lists them as `DnsName("mesh.example")`.
fn names(presented: &[String]) -> Vec<String> {
    let inner = |name: &String| {
        let within = name.split_once('(').map_or(name.as_str(), |(_, within)| within.trim_end_matches(')'));
        within.trim_matches('"').to_owned()
    };
    presented.iter().take(NAMES_MAX).map(inner).collect()
}

/// Whether the response is not HTTP: it cannot be parsed, or arrived before a request was sent, as with HTTP/2.
fn is_no_http(error: &hyper::Error) -> bool {
    // The second case is the only error that has neither a cause nor a predicate of its own.
    let has_another_name =
        error.is_user() || error.is_canceled() || error.is_closed() || error.is_incomplete_message() || error.is_timeout();
    error.is_parse() || (error.source().is_none() && !has_another_name)
}

/// The first error of this type in the chain of causes.
fn found<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

/// The innermost cause, such as `connection refused`; the outer errors only report a failed request.
pub(crate) fn innermost(error: &(dyn Error + 'static)) -> String {
    let words = causes(error).last().map(ToString::to_string).unwrap_or_default();
    // `Connection refused (os error 111)`: the number adds nothing.
    let words = words.split(" (os error").next().unwrap_or_default();
    words.to_lowercase()
}

/// The chain of causes, starting with the error itself.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        // An I/O error that wraps another error returns that error's cause as its own, and so skips it.
        let wrapped = error.downcast_ref().and_then(io::Error::get_ref);
        wrapped.map_or_else(|| error.source(), |inner| Some(inner as &(dyn Error + 'static)))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn what_is_wrong_with_a_certificate_is_said_in_words() {
        let other = |why: webpki::Error| certificate_problem(&CertificateError::Other(OtherError(Arc::new(why)))).to_string();
        assert_eq!(other(webpki::Error::CaUsedAsEndEntity), "is an authority's own (CA:TRUE), not a server's");
        assert_eq!(other(webpki::Error::UnsupportedCertVersion), "cannot be believed (unsupported cert version)");
        let purpose = CertificateError::InvalidPurposeContext {
            required: rustls::ExtendedKeyPurpose::ServerAuth,
            presented: vec![rustls::ExtendedKeyPurpose::ClientAuth],
        };
        for why in [purpose, CertificateError::Revoked, CertificateError::BadEncoding] {
            let reported = certificate_problem(&why).to_string();
            assert!(!reported.contains(['{', ':', '"']), "{reported}");
        }
    }
}
