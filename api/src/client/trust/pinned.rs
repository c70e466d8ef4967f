//! Trusts a server certificate that is itself in the trusted file, although it is marked as an authority's.
//!
//! `openssl req -x509` makes such certificates: self-signed, and `CA:TRUE`. A certification path
//! must not end in one (RFC 5280, section 4.2.1.9), so webpki refuses it. But a user who lists
//! exactly this certificate intends to trust it.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme};

/// The standard verifier, and the certificates that are trusted directly.
#[derive(Debug)]
struct PinnedVerifier {
    webpki: Arc<WebPkiServerVerifier>,
    certificates: Vec<CertificateDer<'static>>,
}

/// A TLS configuration that trusts these certificates and those that they have signed.
pub(super) fn client_config(certificates: Vec<CertificateDer<'static>>) -> Result<ClientConfig, String> {
    let provider = Arc::new(default_provider());
    let mut roots = RootCertStore::empty();
    for certificate in &certificates {
        roots.add(certificate.clone()).map_err(|_| "a certificate in the file cannot be read".to_owned())?;
    }
    let webpki = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build();
    let webpki = webpki.map_err(|why| why.to_string())?;
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let verifier = Arc::new(PinnedVerifier { webpki, certificates });
    // All checks of webpki apply, except its refusal of an authority's own certificate.
    Ok(versions.map_err(|why| why.to_string())?.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

impl ServerCertVerifier for PinnedVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict = self.webpki.verify_server_cert(end_entity, intermediates, name, ocsp, now);
        match verdict {
            // webpki checks the validity period before this error, and the name after it.
            Err(Error::InvalidCertificate(why))
                if is_authority(&why) && self.certificates.iter().any(|own| own == end_entity) =>
            {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}

/// Whether a certificate was refused because it is an authority's own.
pub(crate) fn is_authority(why: &CertificateError) -> bool {
    let CertificateError::Other(OtherError(cause)) = why else { return false };
    cause.downcast_ref::<webpki::Error>() == Some(&webpki::Error::CaUsedAsEndEntity)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};

    use super::*;

    /// Noon of 1 June 2025, within the validity of the certificates below.
    const NOW_S: u64 = 1_748_779_200;

    /// A self-signed certificate that is also an authority, as made by `openssl req -x509`.
    fn self_signed() -> CertificateDer<'static> {
        let mut params = CertificateParams::new(["mesh.example".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        (params.not_before, params.not_after) = (date_time_ymd(2025, 1, 1), date_time_ymd(2026, 1, 1));
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    /// Verifies a presented certificate at a time and for a name.
    fn verdict(
        shown: &CertificateDer<'_>,
        believed: &CertificateDer<'static>,
        now_s: u64,
        name: &'static str,
    ) -> Result<(), Error> {
        let mut roots = RootCertStore::empty();
        roots.add(believed.clone()).unwrap();
        let webpki = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::new(default_provider())).build().unwrap();
        let pinned = PinnedVerifier { webpki, certificates: vec![believed.clone()] };
        let (name, now) = (name.try_into().unwrap(), UnixTime::since_unix_epoch(Duration::from_secs(now_s)));
        pinned.verify_server_cert(shown, &[], &name, &[], now).map(drop)
    }

    #[test]
    fn a_self_signed_authority_is_believed_in_person_under_its_name_and_in_its_time() {
        let (own, other) = (self_signed(), self_signed());
        assert_eq!(verdict(&own, &own, NOW_S, "mesh.example"), Ok(()));
        assert!(verdict(&own, &own, NOW_S, "other.example").is_err(), "its name is checked");
        assert!(verdict(&own, &own, NOW_S + 365 * 86_400, "mesh.example").is_err(), "its end is checked");
        assert!(verdict(&own, &own, NOW_S - 365 * 86_400, "mesh.example").is_err(), "its beginning is checked");
        assert!(verdict(&other, &own, NOW_S, "mesh.example").is_err(), "another one is not believed");
    }
}
