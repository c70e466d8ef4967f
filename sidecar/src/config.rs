//! The settings of a sidecar: each flag has a variable; they are read once, and checked before anything starts.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, CommandFactory, FromArgMatches, Parser};
use decorators::provider_url::is_loopback_name;
use tonic::transport::Uri;
use tracing_subscriber::EnvFilter;

use crate::config::environment::{ConfigError, Settings};
use crate::control_client::dial::{ControlPlaneTarget, StreamToken, read_token_file};
use crate::decorator::background::Background;
use crate::decorator::catalog::Catalog;
use crate::decorator::not_found_page::NotFoundSource;
use crate::decorator::pod_names::PodNames;
use crate::decorator_file::DecoratorFile;
use crate::exchange::options::ProxyOptions;
use crate::export::access_log::LogFormat;
use crate::export::otlp::settings::OtlpSettings;
use crate::identity::PodDescription;
use crate::setting_values::{TimeLimit, address, duration, grpc_url, interval, number, readable};
use crate::target::ServiceAddr;
use crate::tls::{ClientTls, Roots};

pub mod environment;

/// More threads than any sidecar needs.
const WORKERS_MAX: usize = 64;

/// Access log lines per second. At a higher rate the single background thread would delay its other tasks.
const LINES_MAX: u32 = 50_000;

/// Why the port of the service is refused.
const LOOP: &str = "the sidecar's own port, which would be a loop";

/// Why http:// to another machine is refused.
const UNPROTECTED: &str = "another machine without TLS, which would let others on the way read the token and the counts: \
    use https://, or set SITIO_ALLOW_PLAINTEXT=true if something else protects the network";

/// Proxies a service's traffic, counts it per endpoint, and obeys the mesh's rules.
///
/// Each flag has a variable, and the flag takes precedence; a variable with an empty value counts as not set.
/// POD_NAME, POD_NAMESPACE, POD_UID, POD_IP and NODE_NAME describe the pod itself, and RUST_LOG sets the log filter (info).
/// OTEL_EXPORTER_OTLP_ENDPOINT names an OpenTelemetry collector, and the other OTEL variables control what is sent to it.
/// `sitio-sidecar redirect --help` describes another command, which makes the kernel redirect ports to the sidecar.
#[derive(Debug, Parser)]
#[command(name = "sitio-sidecar", version)]
pub struct SidecarOptions {
    /// Port to listen on; 0 takes a free one. The variable may also be `port`
    #[arg(long, env = "PORT", default_value = "8080", value_parser = |value: &str| number(value, &(0..=u16::MAX)))]
    port: u16,
    /// Port of the service, on 127.0.0.1 or [::1]. The variable may also be `target_port`
    #[arg(long, env = "TARGET_PORT", default_value = "8087", value_parser = |value: &str| number(value, &(1..=u16::MAX)))]
    target_port: u16,
    /// The service itself where it is not on 127.0.0.1: [::1]:8087 or unix:/run/app.sock [default: none]
    #[arg(long, env = "TARGET", value_name = "ADDRESS")]
    target: Option<ServiceAddr>,
    /// Address to listen on, the admin port too
    #[arg(long, env = "SITIO_LISTEN", value_name = "ADDRESS", default_value = "0.0.0.0", value_parser = address)]
    listen: IpAddr,
    /// Port for health, metrics and stats; 0 takes a free one
    #[arg(long, env = "SITIO_ADMIN_PORT", default_value = "9191", value_parser = |value: &str| number(value, &(0..=u16::MAX)))]
    admin_port: u16,
    /// The control plane, https://host:port, or http:// on this machine. The variable may also be DASHBOARD or MOTHERSHIP [default: none]
    #[arg(long = "control-plane", env = "SITIO_CONTROL_PLANE", value_name = "URL", value_parser = control_plane_url)]
    control_plane_url: Option<Uri>,
    /// The token for the control plane. By its variable alone: a flag would show it to all who list processes.
    #[arg(long, env = "SITIO_TOKEN", hide = true, value_parser = token)]
    token: Option<StreamToken>,
    /// File with the token for the control plane, read again at each dial [default: the token in SITIO_TOKEN]
    #[arg(long, env = "SITIO_TOKEN_FILE", value_name = "PATH", value_parser = token_file)]
    token_file: Option<StreamToken>,
    /// File with the CA certificates by which the control plane is verified, in PEM, read again at each dial [default: those of the system]
    #[arg(long, env = "SITIO_CA_FILE", value_name = "PATH")]
    ca_file: Option<PathBuf>,
    /// The CA certificates themselves, in PEM, where no file can be mounted [default: none]
    #[arg(long, env = "SITIO_CA", value_name = "PEM", conflicts_with = "ca_file")]
    ca: Option<String>,
    /// File with the sidecar's own certificate, in PEM, if the control plane asks for one [default: none]
    #[arg(long, env = "SITIO_CLIENT_CERT_FILE", value_name = "PATH", value_parser = readable, requires = "client_key_file")]
    client_cert_file: Option<PathBuf>,
    /// File with its private key, in PEM
    #[arg(long, env = "SITIO_CLIENT_KEY_FILE", value_name = "PATH", value_parser = readable, requires = "client_cert_file")]
    client_key_file: Option<PathBuf>,
    /// Allow http:// to a control plane on another machine: something else protects the network
    #[arg(long, env = "SITIO_ALLOW_PLAINTEXT", value_name = "BOOL", default_value = "false", action = ArgAction::Set)]
    allow_plaintext: bool,
    /// The configured names of this pod and its service.
    #[command(flatten)]
    pub pod: PodDescription,
    /// Worker threads, 1 to 64 [default: the processor limit, at most 2]
    #[arg(long, env = "SITIO_WORKERS", value_name = "COUNT", value_parser = |value: &str| number(value, &(1..=WORKERS_MAX)))]
    pub workers: Option<usize>,
    /// How connections and exchanges are handled.
    #[command(flatten)]
    pub proxy: ProxyOptions,
    /// Prints the statistics of the original articles at this interval, such as 5s
    #[arg(long, env = "SITIO_STATS_LOG", value_name = "INTERVAL", default_value = "off", value_parser = interval)]
    pub stats_log: TimeLimit,
    /// Writes a line of JSON for each exchange to standard output: json, or off
    #[arg(long, env = "SITIO_ACCESS_LOG", value_name = "FORMAT", default_value = "off")]
    pub access_log: LogFormat,
    /// Lines of it a second; the others are counted. A busy pod then logs about 300 kB/s, which log collectors can take
    #[arg(long, env = "SITIO_ACCESS_LOG_RATE", value_name = "LINES", default_value = "1000", value_parser = lines)]
    pub access_log_rate: u32,
    /// The OTLP collector and what is exported to it, if there is one.
    #[command(flatten)]
    pub otlp: Option<OtlpSettings>,
    /// File of decorators, in YAML, read again when it changes: see docs/decorators.md [default: none]
    #[arg(long, env = "SITIO_DECORATORS", value_name = "PATH", value_parser = decorators_file)]
    pub decorators_file: Option<PathBuf>,
    /// HTML file in place of the service's 404 pages, or built-in [default: none]
    #[arg(long, env = "SITIO_NOT_FOUND_PAGE", value_name = "PATH")]
    pub not_found_page: Option<NotFoundSource>,
    /// How long a drain still accepts connections. Load balancers take a few seconds to learn of it
    #[arg(long, env = "SITIO_DRAIN_GRACE", value_name = "DURATION", default_value = "5s", value_parser = duration)]
    pub drain_grace: Duration,
    /// How long a drain then waits for exchanges in flight. With the grace it exceeds the 30s that Kubernetes waits by default
    #[arg(long, env = "SITIO_DRAIN_TIMEOUT", value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub drain_timeout: Duration,
    /// The log filter, as directives of `tracing`.
    #[arg(long, env = "RUST_LOG", hide = true, default_value = "info", value_parser = log_filter)]
    pub log: String,
    /// The control plane to connect to, if there is one.
    #[arg(skip)]
    pub control_plane: Option<ControlPlaneTarget>,
    /// The number of pods in this process; each reports its share of the process's resources. If `None`,
    /// the sidecar reports the resources of its container.
    #[arg(skip)]
    pub pods_in_process: Option<NonZeroU32>,
    /// Ignored settings with the reason. They are logged later, once logging is set up.
    #[arg(skip)]
    pub warnings: Vec<String>,
}

impl SidecarOptions {
    /// The defaults, for a pod in front of `target`.
    pub fn new(pod: PodDescription, target: impl Into<ServiceAddr>) -> Self {
        let mut options = Self::from_settings([], []).expect("the defaults are valid");
        options.pod = pod;
        options.proxy.target = target.into();
        options
    }

    /// Reads the command line and the environment of this process.
    pub fn from_process() -> Result<Self, ConfigError> {
        let lossy =
            |(name, value): (OsString, OsString)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned());
        Self::from_settings(std::env::args_os().skip(1), std::env::vars_os().map(lossy))
    }

    /// Checks these arguments and variables.
    pub fn from_settings(
        arguments: impl IntoIterator<Item = OsString>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let environment: BTreeMap<String, String> = environment.into_iter().collect();
        let settings = Settings::read(Self::command(), arguments.into_iter().collect(), environment)?;
        let mut options = Self::from_arg_matches(&settings.matches)?;
        options.proxy.target = options.checked_target(&settings)?;
        let admin = options.admin_port;
        if admin != 0 && (admin == options.port || options.proxy.target.port() == Some(admin)) {
            return Err(settings.conflict("admin_port", "the port of the traffic or of the service"));
        }
        let token = match (options.token.take(), options.token_file.take()) {
            (Some(_), Some(_)) => {
                return Err(settings.conflict("token_file", "only one of the two: there is a SITIO_TOKEN as well"));
            }
            (token, file) => file.or(token).unwrap_or(StreamToken::None),
        };
        options.control_plane = options.control_plane(&settings, token)?;
        options.warnings = settings.warnings;
        Ok(options)
    }

    pub(crate) fn set_port(&mut self, port: u16) {
        self.port = port;
    }

    pub(crate) fn set_listen(&mut self, address: IpAddr) {
        self.listen = address;
    }

    pub(crate) fn set_admin_port(&mut self, port: u16) {
        self.admin_port = port;
    }

    /// Address for traffic; port 0 lets the kernel choose.
    pub fn traffic_address(&self) -> SocketAddr {
        SocketAddr::new(self.listen, self.port)
    }

    /// Address of the admin port; port 0 lets the kernel choose.
    pub fn admin_address(&self) -> SocketAddr {
        SocketAddr::new(self.listen, self.admin_port)
    }

    /// Access log lines per second, if there is an access log.
    pub fn access_log_lines(&self) -> Option<u32> {
        (self.access_log == LogFormat::Json).then_some(self.access_log_rate)
    }

    fn control_plane(&mut self, settings: &Settings, token: StreamToken) -> Result<Option<ControlPlaneTarget>, ConfigError> {
        let Some(uri) = self.control_plane_url.take() else { return Ok(None) };
        if uri.scheme_str() == Some("http") && !self.allow_plaintext && !uri.host().is_some_and(is_loopback_name) {
            return Err(settings.conflict("control_plane_url", UNPROTECTED));
        }
        let roots = match (self.ca_file.take(), self.ca.take()) {
            (Some(file), _) => Roots::File(file),
            (None, Some(pem)) => Roots::Text(pem),
            (None, None) => Roots::System,
        };
        let tls = ClientTls { roots, identity: self.client_cert_file.take().zip(self.client_key_file.take()) };
        Ok(Some(ControlPlaneTarget { uri, token, tls }))
    }

    /// The address of the service, given in full or by its port alone. Refuses the sidecar's own port.
    fn checked_target(&self, settings: &Settings) -> Result<ServiceAddr, ConfigError> {
        let (target, id) = match &self.target {
            Some(_) if settings.is_set("target_port") => {
                return Err(settings.conflict("target", "only one of the two: there is a TARGET_PORT as well"));
            }
            Some(target) => (target.clone(), "target"),
            None => (ServiceAddr::Loopback(self.target_port), "target_port"),
        };
        let is_loop = match &target {
            ServiceAddr::Loopback(port) => *port == self.port,
            ServiceAddr::Tcp(address) => {
                address.port() == self.port && (address.ip().is_loopback() || address.ip() == self.listen)
            }
            ServiceAddr::Unix(_) => false,
        };
        if is_loop { Err(settings.conflict(id, LOOP)) } else { Ok(target) }
    }
}

fn control_plane_url(value: &str) -> Result<Uri, String> {
    grpc_url(value, "https://sitio-grpc:8091")
}

fn token(value: &str) -> Result<StreamToken, String> {
    mesh::token::token(value).map(|token| StreamToken::Text(token.to_owned())).map_err(|why| format!("a token, but {why}"))
}

/// A file that contains a token now.
fn token_file(value: &str) -> Result<StreamToken, String> {
    let path = readable(value)?;
    read_token_file(&path).map_err(|why| format!("a file with a token, but {why}"))?;
    Ok(StreamToken::File(path))
}

/// A file of decorators that is valid now.
fn decorators_file(value: &str) -> Result<PathBuf, String> {
    let path = readable(value)?;
    let catalog =
        Catalog { pod: PodNames { service: "".into(), pod: "".into() }, background: Background::none(), own_ports: Vec::new() };
    DecoratorFile::open(path.clone(), catalog).map_err(|why| format!("a valid file of decorators, but {why}"))?;
    Ok(path)
}

fn lines(value: &str) -> Result<u32, String> {
    number(value, &(1..=LINES_MAX)).map_err(|_| format!("lines a second, from 1 to {LINES_MAX}"))
}

fn log_filter(value: &str) -> Result<String, String> {
    let why = |_| "directives such as info or sidecar=debug".to_owned();
    EnvFilter::builder().parse(value).map(|_| value.to_owned()).map_err(why)
}

#[cfg(test)]
mod tests;
