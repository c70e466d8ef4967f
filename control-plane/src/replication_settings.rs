//! The settings of a replica: the NATS servers that carry the log, and how other replicas reach this one.

use std::net::SocketAddr;
use std::path::PathBuf;

use url::Url;

/// The settings of replication. Without NATS servers, this control plane is the only one.
#[derive(Debug, Clone, clap::Args)]
pub struct ReplicationSettings {
    /// The NATS servers with JetStream by which several control planes share one state, such as nats://nats:4222; tls:// requires TLS, and a user and a password or a token may stand before the host [default: none; this control plane is the only one].
    #[arg(long = "nats-url", env = "SITIO_NATS_URL", value_name = "URLS", hide_env_values = true, value_delimiter = ',', value_parser = server)]
    pub nats_url: Vec<Url>,
    /// The file with the credentials for NATS, as `nsc` writes it [default: none].
    #[arg(long = "nats-credentials-file", env = "SITIO_NATS_CREDENTIALS_FILE", value_name = "FILE", requires = "nats_url")]
    pub nats_credentials_file: Option<PathBuf>,
    /// The CA certificates, in PEM, by which the NATS servers are verified [default: those of the system].
    #[arg(long = "nats-ca-file", env = "SITIO_NATS_CA_FILE", value_name = "FILE", requires = "nats_url")]
    pub nats_ca_file: Option<PathBuf>,
    /// The NATS servers that store each message: 3 or 5, or 1 for a trial; it applies when the streams are made.
    #[arg(long = "nats-copies", env = "SITIO_NATS_COPIES", value_name = "COUNT", default_value_t = 3, value_parser = copies)]
    pub nats_copies: usize,
    /// Make the streams on NATS anew from the store of this replica, if NATS has lost them. Set it on one replica, once.
    #[arg(long = "nats-new-log", env = "SITIO_NATS_NEW_LOG", value_name = "BOOL", default_value_t = false, action = clap::ArgAction::Set)]
    pub nats_new_log: bool,
    /// The address at which other replicas reach this one, if SITIO_NATS_URL is set.
    #[arg(long = "replica-addr", env = "SITIO_REPLICA_ADDR", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8092")]
    pub replica_addr: SocketAddr,
    /// The host by which other replicas reach this one, such as the pod's address [default: the address in SITIO_REPLICA_ADDR].
    #[arg(long = "replica-host", env = "SITIO_REPLICA_HOST", value_name = "HOST")]
    pub replica_host: Option<String>,
    /// The name of this replica on pages and in logs [default: its host and port].
    #[arg(long = "replica-name", env = "SITIO_REPLICA_NAME", value_name = "NAME")]
    pub replica_name: Option<String>,
}

impl ReplicationSettings {
    /// Whether this control plane is one of several.
    pub fn is_given(&self) -> bool {
        !self.nats_url.is_empty()
    }

    /// The NATS servers for logs and errors, without a user and a password.
    pub fn servers(&self) -> String {
        let server = |url: &Url| {
            let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
            format!("{}://{}{port}", url.scheme(), url.host_str().unwrap_or_default())
        };
        self.nats_url.iter().map(server).collect::<Vec<_>>().join(",")
    }

    /// Checks that this program can be a replica, and that others can reach it.
    pub fn check(&self) -> Result<(), String> {
        if self.is_given() && cfg!(not(feature = "nats")) {
            return Err("SITIO_NATS_URL is set, and this program was built without NATS: use Sitio's image, or build it by \
                        `cargo build --release -p sitio-control-plane --features nats`"
                .to_owned());
        }
        let is_unspecific = self.replica_addr.ip().is_unspecified();
        if self.is_given() && is_unspecific && self.replica_host.is_none() {
            return Err(
                "SITIO_REPLICA_ADDR listens on all addresses, so it names no address for other replicas to connect to: set \
                        SITIO_REPLICA_HOST to the address of this pod or machine"
                    .to_owned(),
            );
        }
        Ok(())
    }

    /// The address that other replicas connect to, if the port is bound to this one.
    pub fn advertised(&self, bound: SocketAddr) -> String {
        match &self.replica_host {
            Some(host) if host.contains(':') && !host.starts_with('[') => format!("[{host}]:{}", bound.port()),
            Some(host) => format!("{host}:{}", bound.port()),
            None => bound.to_string(),
        }
    }
}

fn server(text: &str) -> Result<Url, String> {
    match Url::parse(text) {
        Ok(url) if url.has_host() && matches!(url.scheme(), "nats" | "tls") => Ok(url),
        _ => Err("it must be like nats://nats:4222 or tls://nats:4222".to_owned()),
    }
}

fn copies(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count @ (1 | 3 | 5)) => Ok(count),
        _ => Err("it must be 1, 3 or 5".to_owned()),
    }
}

#[cfg(all(test, feature = "nats"))]
mod tests {
    use super::*;

    #[test]
    fn a_replica_that_listens_everywhere_needs_a_host() {
        let bound: SocketAddr = "0.0.0.0:8092".parse().unwrap();
        let mut settings = ReplicationSettings {
            nats_url: Vec::new(),
            nats_credentials_file: None,
            nats_ca_file: None,
            nats_copies: 3,
            nats_new_log: false,
            replica_addr: bound,
            replica_host: None,
            replica_name: None,
        };
        assert!(settings.check().is_ok(), "without NATS, there are no replicas");
        settings.nats_url = vec!["nats://sitio:secret@nats:4222".parse().unwrap()];
        assert_eq!(settings.servers(), "nats://nats:4222", "a password is not logged");
        assert!(settings.check().unwrap_err().contains("SITIO_REPLICA_HOST"));
        settings.replica_host = Some("10.0.0.7".into());
        assert!(settings.check().is_ok());
        assert_eq!(settings.advertised(bound), "10.0.0.7:8092");
        settings.replica_host = Some("2001:db8::7".into());
        assert_eq!(settings.advertised(bound), "[2001:db8::7]:8092");
    }
}
