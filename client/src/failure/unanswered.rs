//! Why a question was not answered, read out of the errors below it.

use std::error::Error;
use std::io;
use std::time::Duration;

use reqwest::Url;
use rustls::{CertificateError, OtherError};

use crate::failure::{Distrust, Failure};
use crate::trust::is_authority;

/// Names of a certificate that are told. Some are for a hundred.
const NAMES_MAX: usize = 4;

impl Failure {
    /// What it means that there was no answer.
    pub(crate) fn unanswered(what: &str, url: &Url, error: &reqwest::Error, after: Duration) -> Self {
        let (what, url) = (what.to_owned(), url.to_string());
        match found::<rustls::Error>(error) {
            Some(rustls::Error::InvalidCertificate(why)) => return Self::Untrusted { what, url, distrust: distrust(why) },
            Some(rustls::Error::InvalidMessage(_)) => return Self::NotTls { what, url },
            _ => {}
        }
        if causes(error).filter_map(|cause| cause.downcast_ref()).any(is_no_http) {
            return Self::NotHttp { what, url, why: innermost(error) };
        }
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

fn distrust(why: &CertificateError) -> Distrust {
    match why {
        // An authority that was made anew has the old one's name, and signs otherwise.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => Distrust::Issuer,
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => Distrust::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Distrust::NotYet,
        CertificateError::NotValidForName => Distrust::Name(Vec::new()),
        CertificateError::NotValidForNameContext { presented, .. } => Distrust::Name(names(presented)),
        other if is_authority(other) => Distrust::Authority,
        CertificateError::Other(OtherError(cause)) => Distrust::Other(words(&cause.to_string())),
        other => Distrust::Other(words(&other.to_string())),
    }
}

/// What the libraries say of a certificate, in words: most of it is a name such as `UnsupportedCertVersion`.
fn words(name: &str) -> String {
    if name.contains(|letter: char| !letter.is_ascii_alphanumeric()) {
        // A sentence, or a name with values of which nobody can make anything.
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

/// The first names of a certificate, which come as `DnsName("mesh.example")`.
fn names(presented: &[String]) -> Vec<String> {
    let inner = |name: &String| {
        let within = name.split_once('(').map_or(name.as_str(), |(_, within)| within.trim_end_matches(')'));
        within.trim_matches('"').to_owned()
    };
    presented.iter().take(NAMES_MAX).map(inner).collect()
}

/// Whether what came is no HTTP: it cannot be read, or came before anything was asked, as HTTP/2 does.
fn is_no_http(error: &hyper::Error) -> bool {
    // The latter is the one error that has neither a cause nor a question of its own.
    let has_another_name =
        error.is_user() || error.is_canceled() || error.is_closed() || error.is_incomplete_message() || error.is_timeout();
    error.is_parse() || (error.source().is_none() && !has_another_name)
}

/// The first error of a kind in a chain of causes.
fn found<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

/// The cause of all others: `connection refused`, where those above it only say that a request failed.
pub(crate) fn innermost(error: &(dyn Error + 'static)) -> String {
    let words = causes(error).last().map(ToString::to_string).unwrap_or_default();
    // `Connection refused (os error 111)`: the number says nothing more.
    let words = words.split(" (os error").next().unwrap_or_default();
    words.to_lowercase()
}

/// An error, its cause, the cause of that, and so on.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        // An I/O error that was made of another one names as its cause the cause of that one, and so leaves it out.
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
        let other = |why: webpki::Error| distrust(&CertificateError::Other(OtherError(Arc::new(why)))).to_string();
        assert_eq!(other(webpki::Error::CaUsedAsEndEntity), "is an authority's own (CA:TRUE), not a server's");
        assert_eq!(other(webpki::Error::UnsupportedCertVersion), "cannot be believed (unsupported cert version)");
        let purpose = CertificateError::InvalidPurposeContext {
            required: rustls::ExtendedKeyPurpose::ServerAuth,
            presented: vec![rustls::ExtendedKeyPurpose::ClientAuth],
        };
        for why in [purpose, CertificateError::Revoked, CertificateError::BadEncoding] {
            let told = distrust(&why).to_string();
            assert!(!told.contains(['{', ':', '"']), "{told}");
        }
    }
}
