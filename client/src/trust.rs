//! Whom a client believes over TLS: the authorities that this machine knows, or those in a file of one's own.

mod pinned;

use reqwest::{Client, ClientBuilder};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

pub(crate) use crate::trust::pinned::is_authority;

/// Authorities of one's own. Who names some is served by nobody whom others have signed.
#[derive(Debug, Clone)]
pub struct Authorities(Vec<CertificateDer<'static>>);

impl Authorities {
    /// The certificates in a text (PEM); `None` if there is none in it.
    pub fn read(pem: &[u8]) -> Option<Self> {
        let certificates = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>().ok()?;
        (!certificates.is_empty()).then_some(Self(certificates))
    }
}

/// The beginnings of a client that believes these, or else those that this machine knows; or why there is none.
pub(crate) fn tls(authorities: Option<Authorities>) -> Result<ClientBuilder, String> {
    choose_ring();
    match authorities {
        Some(Authorities(certificates)) => Ok(Client::builder().tls_backend_preconfigured(pinned::believing(certificates)?)),
        None => Ok(Client::builder()),
    }
}

/// The beginnings of a client of plain HTTP. It believes nobody, and so reads no certificate from this machine's disk,
/// which takes longer than most answers and fails where there is none.
pub fn plain() -> ClientBuilder {
    choose_ring();
    Client::builder().tls_certs_only([])
}

/// Chooses whose cryptography all clients of this process use; without a choice, reqwest panics.
///
/// AWS-LC, which it would rather have, needs CMake and a compiler of C.
pub fn choose_ring() {
    // Whoever was before us has chosen as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_certificate_is_no_file_of_authorities() {
        for text in ["", "hello", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
            assert!(Authorities::read(text.as_bytes()).is_none(), "{text}");
        }
    }
}
