//! The CA by which sidecars' own certificates are verified, read again when its file changes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use arc_swap::ArcSwap;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};

use crate::tls::pem_file::certificates;

/// A CA that changes while connections are accepted.
#[derive(Debug)]
pub(super) struct ClientAuthority {
    file: PathBuf,
    current: ArcSwap<LoadedAuthority>,
}

#[derive(Debug)]
struct LoadedAuthority {
    certificates: Vec<CertificateDer<'static>>,
    verifier: Arc<dyn ClientCertVerifier>,
}

impl ClientAuthority {
    /// Reads the file, so it may block.
    pub(super) fn open(file: &Path) -> anyhow::Result<Arc<Self>> {
        let current = ArcSwap::from_pointee(LoadedAuthority::read(file)?);
        Ok(Arc::new(Self { file: file.to_owned(), current }))
    }

    /// Reads the file again; the last CA stays if it cannot be used. It may block.
    pub(super) fn renew(&self) -> anyhow::Result<()> {
        let read = LoadedAuthority::read(&self.file)?;
        if read.certificates != self.current.load().certificates {
            self.current.store(Arc::new(read));
            tracing::info!("the CA of sidecars' certificates has changed: their next connections are verified by it");
        }
        Ok(())
    }
}

impl LoadedAuthority {
    fn read(file: &Path) -> anyhow::Result<Self> {
        let reading = || format!("read the CA of the clients' certificates in {}", file.display());
        let certificates = certificates(file).with_context(reading)?;
        let mut roots = RootCertStore::empty();
        for certificate in &certificates {
            roots.add(certificate.clone()).with_context(reading)?;
        }
        let provider = Arc::new(default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().with_context(reading)?;
        Ok(Self { certificates, verifier })
    }
}

impl ClientCertVerifier for ClientAuthority {
    /// None, because they would change: a sidecar has one certificate, and sends it.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.current.load().verifier.verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.current.load().verifier.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.current.load().verifier.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.current.load().verifier.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

    use super::*;

    fn ca() -> CertifiedIssuer<'static, KeyPair> {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    }

    #[test]
    fn a_changed_file_admits_the_certificates_of_the_new_ca_and_a_broken_one_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("clients.crt");
        let (old, new) = (ca(), ca());
        let certificate = |ca: &CertifiedIssuer<'_, KeyPair>| {
            let params = CertificateParams::new(vec!["shop".to_owned()]).unwrap();
            params.signed_by(&KeyPair::generate().unwrap(), ca).unwrap().der().clone()
        };
        let (of_old, of_new) = (certificate(&old), certificate(&new));
        fs::write(&file, old.pem()).unwrap();
        let authority = ClientAuthority::open(&file).unwrap();
        let admits = |certificate| authority.verify_client_cert(certificate, &[], UnixTime::now()).is_ok();
        assert!(admits(&of_old) && !admits(&of_new));

        for broken in ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            fs::write(&file, broken).unwrap();
            let why = format!("{:#}", authority.renew().unwrap_err());
            assert!(why.contains("clients.crt"), "{why}");
            assert!(admits(&of_old) && !admits(&of_new), "{broken}");
        }
        fs::write(&file, old.pem() + &new.pem()).unwrap();
        authority.renew().unwrap();
        assert!(admits(&of_old) && admits(&of_new), "both, while sidecars get new certificates");
        fs::write(&file, new.pem()).unwrap();
        authority.renew().unwrap();
        assert!(!admits(&of_old) && admits(&of_new));
    }
}
