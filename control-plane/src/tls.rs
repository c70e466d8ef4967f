//! The certificate that the control plane shows to sidecars: one of its own CA, or the user's, always current.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use arc_swap::ArcSwap;
use clap::Args;
use platform::http::transport::{BoundedSocket, Transport};
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use crate::tls::client_authority::ClientAuthority;
use crate::tls::own_ca::OwnCa;
use crate::tls::pem_file::certificates;

mod client_authority;
pub mod own_ca;
mod pem_file;

/// How often the certificate is checked. Kubernetes takes about a minute to renew mounted files, too.
const CHECK_EVERY: Duration = Duration::from_secs(60);

/// The settings of TLS on the port for sidecars.
#[derive(Debug, Clone, Default, Args)]
pub struct TlsSettings {
    /// The certificate chain that sidecars verify, in PEM; read again when it changes [default: a certificate of the control plane's own CA, unless the port is on loopback].
    #[arg(long = "tls-cert-file", env = "SITIO_TLS_CERT_FILE", value_name = "FILE", requires = "key_file")]
    cert_file: Option<PathBuf>,
    /// The private key of the certificate, in PEM.
    #[arg(long = "tls-key-file", env = "SITIO_TLS_KEY_FILE", value_name = "FILE", requires = "cert_file")]
    key_file: Option<PathBuf>,
    /// The names and addresses in the control plane's own certificate, separated by commas. A name without a dot is that of a Service: its longer forms are added.
    #[arg(
        long = "tls-names",
        env = "SITIO_TLS_NAMES",
        value_name = "NAMES",
        default_value = "localhost,127.0.0.1,::1,sitio-grpc",
        value_delimiter = ','
    )]
    names: Vec<String>,
    /// The namespace of the control plane, for the longer forms of these names.
    #[arg(long = "namespace", env = "POD_NAMESPACE", value_name = "NAME", hide = true)]
    namespace: Option<String>,
    /// The ConfigMap of the control plane's namespace in which its own CA is published [default: none].
    #[arg(long = "ca-configmap", env = "SITIO_CA_CONFIGMAP", value_name = "NAME")]
    pub ca_configmap: Option<String>,
    /// The CA certificates, in PEM, by which sidecars' own certificates are verified; read again when it changes. If it is set, each needs one [default: none].
    #[arg(long = "client-ca-file", env = "SITIO_CLIENT_CA_FILE", value_name = "FILE")]
    client_ca_file: Option<PathBuf>,
}

impl TlsSettings {
    /// Whether a certificate is configured.
    pub fn names_a_certificate(&self) -> bool {
        self.cert_file.is_some()
    }

    /// Whether sidecars need certificates of their own.
    pub fn asks_for_certificates(&self) -> bool {
        self.client_ca_file.is_some()
    }

    /// Reads or makes the certificate. Without files, `folder` keeps the key of the CA. It reads and writes files, so it
    /// may block.
    pub fn open(&self, folder: &Path) -> anyhow::Result<Arc<ServerCertificate>> {
        let source = match (&self.cert_file, &self.key_file) {
            (Some(chain), Some(key)) => CertificateSource::Files { chain: chain.clone(), key: key.clone() },
            _ => CertificateSource::OwnCa { ca: Box::new(OwnCa::open(folder)?), names: self.all_names() },
        };
        let clients = self.client_ca_file.as_deref().map(ClientAuthority::open).transpose()?;
        ServerCertificate::new(source, clients)
    }

    fn all_names(&self) -> Vec<String> {
        let namespace = self.namespace.as_deref().unwrap_or_default();
        let longer = |name: &String| {
            let is_service = !namespace.is_empty() && name != "localhost" && !name.contains(['.', ':']);
            let forms = [namespace.to_owned(), format!("{namespace}.svc"), format!("{namespace}.svc.cluster.local")];
            is_service.then(|| forms.map(|form| format!("{name}.{form}"))).into_iter().flatten().collect::<Vec<_>>()
        };
        self.names.iter().flat_map(|name| [vec![name.clone()], longer(name)].concat()).collect()
    }
}

/// Where a certificate comes from.
enum CertificateSource {
    /// The user's files.
    Files { chain: PathBuf, key: PathBuf },
    /// The control plane's own CA, for these names.
    OwnCa { ca: Box<OwnCa>, names: Vec<String> },
}

/// A certificate that changes while connections use it.
pub struct ServerCertificate {
    source: CertificateSource,
    current: ArcSwap<CertifiedKey>,
    issued: ArcSwap<SystemTime>,
    clients: Option<Arc<ClientAuthority>>,
}

impl ServerCertificate {
    fn new(source: CertificateSource, clients: Option<Arc<ClientAuthority>>) -> anyhow::Result<Arc<Self>> {
        let current = ArcSwap::from_pointee(source.load()?);
        Ok(Arc::new(Self { source, current, issued: ArcSwap::from_pointee(SystemTime::now()), clients }))
    }

    /// A certificate of the control plane's own CA for these names. `folder` keeps the CA's key. It reads and writes files,
    /// so it may block.
    pub fn of_own_ca(folder: &Path, names: Vec<String>) -> anyhow::Result<Arc<Self>> {
        Self::new(CertificateSource::OwnCa { ca: Box::new(OwnCa::open(folder)?), names }, None)
    }

    /// The CA to publish, in PEM; `None` if the certificate is the user's.
    pub fn own_ca(&self) -> Option<&str> {
        match &self.source {
            CertificateSource::Files { .. } => None,
            CertificateSource::OwnCa { ca, .. } => Some(ca.certificate()),
        }
    }

    /// Renews the certificate in time, or reads changed files, until drained. A failure is logged, and the last
    /// certificate stays, and the last CA of the clients.
    pub async fn keep_current(self: Arc<Self>, drain: CancellationToken) {
        let mut ticks = tokio::time::interval(CHECK_EVERY);
        let mut last_failure = String::new();
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = drain.cancelled() => return,
            }
            let checked = Arc::clone(&self);
            let renewed = tokio::task::spawn_blocking(move || {
                let clients = checked.clients.as_ref().map_or(Ok(()), |clients| clients.renew());
                checked.renew(SystemTime::now()).and(clients)
            });
            let renewed = renewed.await;
            let failure = match renewed {
                Ok(Ok(())) => String::new(),
                Ok(Err(why)) => format!("{why:#}"),
                Err(why) => why.to_string(),
            };
            if !failure.is_empty() && failure != last_failure {
                tracing::error!("cannot renew a certificate, so the last one stays: {failure}");
            }
            last_failure = failure;
        }
    }

    fn renew(&self, now: SystemTime) -> anyhow::Result<()> {
        if let CertificateSource::OwnCa { .. } = self.source
            && now.duration_since(**self.issued.load()).is_ok_and(|age| age < own_ca::RENEW_AFTER)
        {
            return Ok(());
        }
        let renewed = self.source.load()?;
        if renewed.cert != self.current.load().cert {
            self.current.store(Arc::new(renewed));
            self.issued.store(Arc::new(now));
            tracing::info!("the certificate for sidecars is renewed");
        }
        Ok(())
    }
}

impl CertificateSource {
    fn load(&self) -> anyhow::Result<CertifiedKey> {
        match self {
            Self::OwnCa { ca, names } => {
                let (certificate, key) = ca.issue(names)?;
                certified(vec![certificate], key)
            }
            Self::Files { chain, key } => {
                let reading = || format!("read the certificate in {} and its key in {}", chain.display(), key.display());
                let certificates = certificates(chain).with_context(reading)?;
                let key = PrivateKeyDer::from_pem_file(key).with_context(reading)?;
                certified(certificates, key).with_context(reading)
            }
        }
    }
}

impl ResolvesServerCert for ServerCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

impl fmt::Debug for ServerCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerCertificate")
    }
}

/// Accepts TLS connections with this certificate for one protocol (ALPN, RFC 7301). If it has a CA for clients, each needs
/// a certificate of its own.
pub fn acceptor(certificate: Arc<ServerCertificate>, protocol: &[u8]) -> anyhow::Result<TlsAcceptor> {
    let provider = Arc::new(default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let clients = certificate.clients.clone();
    let mut config = match clients {
        None => builder.with_no_client_auth().with_cert_resolver(certificate),
        Some(clients) => {
            let mut config = builder.with_client_cert_verifier(clients).with_cert_resolver(certificate);
            // A resumed session would pass without a look at the CA of today.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config
        }
    };
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// HTTP over TLS.
#[derive(Clone)]
pub struct TlsTransport(pub TlsAcceptor);

impl Transport for TlsTransport {
    type Stream = TlsStream<BoundedSocket>;

    async fn open(&self, socket: BoundedSocket) -> io::Result<Self::Stream> {
        self.0.accept(socket).await
    }
}

/// A chain and its key, which must belong together.
fn certified(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> anyhow::Result<CertifiedKey> {
    let provider: CryptoProvider = default_provider();
    Ok(CertifiedKey::from_der(chain, key, &provider)?)
}

#[cfg(test)]
mod tests;
