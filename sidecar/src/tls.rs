//! How servers that the sidecar connects to over TLS are verified, and what the sidecar shows them.

use std::error::Error;
use std::path::{Path, PathBuf};

use anyhow::Context;
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

/// The largest file of certificates that is read, in bytes: a system's collection has a few hundred kilobytes.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// The TLS settings of a client. Files are read at each dial, because Kubernetes renews them in place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientTls {
    /// What servers are verified by.
    pub roots: Roots,
    /// The certificate of the sidecar and its private key, in PEM, if the server asks for one.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// The CA certificates by which a server is verified.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Roots {
    /// Those of the system.
    #[default]
    System,
    /// Those in this file, in PEM.
    File(PathBuf),
    /// These, in PEM.
    Text(String),
}

impl ClientTls {
    /// Reads the files.
    pub fn config(&self) -> anyhow::Result<ClientTlsConfig> {
        let config = ClientTlsConfig::new();
        let config = match &self.roots {
            Roots::System => config.with_native_roots(),
            Roots::File(file) => config.ca_certificate(Certificate::from_pem(read(file)?)),
            Roots::Text(pem) => config.ca_certificate(Certificate::from_pem(pem)),
        };
        let Some((certificate, key)) = &self.identity else { return Ok(config) };
        Ok(config.identity(Identity::from_pem(read(certificate)?, read(key)?)))
    }
}

/// What to do about a failed connection, if the server could not be verified.
pub fn advice(error: &(dyn Error + 'static), setting: &str) -> Option<String> {
    let (mut texts, mut cause) = (vec![error.to_string()], error);
    while let Some(source) = cause.source() {
        texts.push(source.to_string());
        cause = source;
    }
    let says = |words: &str| texts.iter().any(|text| text.contains(words));
    if says("UnknownIssuer") || says("BadSignature") {
        Some(format!("its certificate is of an unknown CA: set {setting} to the CA that signed it"))
    } else if says("not valid for name") || says("NotValidForName") {
        Some("its certificate is for other names: use one of them in the URL".to_owned())
    } else if says("certificate expired") || says("certificate not valid yet") {
        Some("its certificate is not valid at this time: renew it, or set the clock of this machine".to_owned())
    } else {
        None
    }
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    let reading = || format!("read {}", file.display());
    let size = std::fs::metadata(file).with_context(reading)?.len();
    anyhow::ensure!(size <= FILE_BYTES_MAX, "{} has {size} bytes, more than certificates have", file.display());
    std::fs::read(file).with_context(reading)
}
