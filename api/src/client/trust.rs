//! Certificate authorities that the client trusts for TLS: those of the system, or those in a file.

mod pinned;

use reqwest::{Client, ClientBuilder};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

pub(crate) use crate::client::trust::pinned::is_authority;

/// Authorities from a file. They replace the authorities of the system.
#[derive(Debug, Clone)]
pub struct Authorities(Vec<CertificateDer<'static>>);

impl Authorities {
    /// Parses PEM certificates; `None` if there are none.
    pub fn read(pem: &[u8]) -> Option<Self> {
        let certificates = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>().ok()?;
        (!certificates.is_empty()).then_some(Self(certificates))
    }
}

/// A client builder that trusts these authorities, or else those of the system.
pub(crate) fn tls(authorities: Option<Authorities>) -> Result<ClientBuilder, String> {
    choose_ring();
    match authorities {
        Some(Authorities(certificates)) => Ok(Client::builder().tls_backend_preconfigured(pinned::client_config(certificates)?)),
        None => Ok(Client::builder()),
    }
}

/// A client builder for plain HTTP. It trusts no authority, so it does not read the system's
/// certificates. Reading them takes longer than most requests, and fails on a system without any.
pub fn plain() -> ClientBuilder {
    choose_ring();
    Client::builder().tls_certs_only([])
}

/// Selects ring as the cryptography of all clients in this process; without a choice, reqwest panics.
///
/// AWS-LC, reqwest's default, needs CMake and a C compiler.
pub fn choose_ring() {
    // Fails only if a provider is already installed, which is fine.
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
