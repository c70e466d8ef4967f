//! A TLS terminator in front of a control plane, with test certificates.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::{fs, thread};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// A new certificate authority, which no program trusts by default.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

/// The validity of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Valid {
    /// Valid now.
    Now,
    /// Expired long ago.
    Once,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, folder }
    }

    /// The file with its certificate.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Its folder, for other files.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts a terminator with a certificate for this name in front of a loopback port, and returns its port.
    pub(crate) fn terminates(&self, name: &str, valid: Valid, behind: u16) -> u16 {
        terminate(self.config(name, valid), behind)
    }

    fn config(&self, name: &str, valid: Valid) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        if valid == Valid::Once {
            (params.not_before, params.not_after) = (date_time_ymd(2001, 1, 1), date_time_ymd(2002, 1, 1));
        }
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        showing(certificate.der().clone(), key)
    }
}

/// A certificate as `openssl req -x509` makes it: self-signed, and by default marked as an authority.
pub(crate) struct SelfSigned {
    folder: TempDir,
}

impl SelfSigned {
    /// Makes a certificate for this name, with these additional arguments.
    pub(crate) fn new(name: &str, more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=a scenario"]);
        openssl.args(["-addext", &format!("subjectAltName=DNS:{name}")]).args(more);
        openssl.arg("-keyout").arg(folder.path().join("key.pem")).arg("-out").arg(folder.path().join("cert.pem"));
        let made = openssl.output().expect("openssl is missing: on Debian, `apt-get install openssl`, or run `make test`");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Self { folder }
    }

    /// The file with the certificate.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("cert.pem")
    }

    /// Starts a terminator with this certificate in front of a loopback port, and returns its port.
    pub(crate) fn terminates(&self, behind: u16) -> u16 {
        let certificate = CertificateDer::from_pem_file(self.file()).unwrap();
        let key = PrivateKeyDer::from_pem_file(self.folder.path().join("key.pem")).unwrap();
        terminate(showing(certificate, key), behind)
    }
}

/// Starts a terminator in front of a loopback port, and returns its port.
fn terminate(config: ServerConfig, behind: u16) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(accept(listener, acceptor, behind));
    });
    port
}

fn showing(certificate: CertificateDer<'static>, key: PrivateKeyDer<'static>) -> ServerConfig {
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions();
    config.unwrap().with_no_client_auth().with_single_cert(vec![certificate], key).unwrap()
}

/// Forwards connections until the test ends.
async fn accept(listener: TcpListener, acceptor: TlsAcceptor, behind: u16) {
    listener.set_nonblocking(true).unwrap();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        connections.spawn(async move {
            // A client that does not trust the certificate, or does not use TLS, gets a handshake error.
            let mut within = acceptor.accept(stream).await?;
            let mut control_plane = TcpStream::connect(("127.0.0.1", behind)).await?;
            copy_bidirectional(&mut within, &mut control_plane).await
        });
    }
}
