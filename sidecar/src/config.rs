//! Reads the configuration from flags and environment variables once, and checks all of it before anything starts.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser;
use mesh::routes::route_patterns::Pattern;

use crate::config::limits::LimitFlags;
use crate::config::settings::{EnvSettings, Wrong};
use crate::config::timeouts::TimeoutFlags;
use crate::config::values::{AccessLogFormat, NotFoundSetting};
use crate::control_client::dial::{ControlPlaneTarget, StreamToken};
use crate::exchange::options::Queries;
use crate::forwarding::Forwarding;
use crate::head::HeadLimits;
use crate::identity::PodDescription;
use crate::protocol::Protocol;
use crate::target::ServiceAddr;
use crate::timeouts::Timeouts;

mod limits;
mod otlp;
pub mod settings;
mod target;
mod timeouts;
pub mod values;

/// The whole configuration, with defaults where nothing is set.
#[derive(Debug)]
pub struct SidecarConfig {
    /// Address for traffic; port 0 lets the kernel choose.
    pub listen: SocketAddr,
    /// Address of the admin port; port 0 lets the kernel choose.
    pub admin: SocketAddr,
    /// Address of the service.
    pub target: ServiceAddr,
    /// The protocol that connections are treated as.
    pub protocol: Protocol,
    /// The control plane to connect to, if there is one.
    pub control_plane: Option<ControlPlaneTarget>,
    /// The configured names of this pod and its service.
    pub named: PodDescription,
    /// Number of worker threads; `None` for as many as the processor limit allows.
    pub workers: Option<usize>,
    /// Paths that no rule may turn off.
    pub protected: Vec<String>,
    /// Configured route patterns.
    pub routes: Vec<Pattern>,
    /// How long each part of an exchange may take.
    pub timeouts: Timeouts,
    /// Limits of a message head.
    pub limits: HeadLimits,
    /// The forwarding fields that are added to requests.
    pub forwarding: Forwarding,
    /// Downstream connections open at once; `None` for as many as file descriptors allow.
    pub connections_max: Option<u32>,
    /// Whether the history keeps query strings.
    pub queries: Queries,
    /// How often the statistics JSON of the original articles is printed, if at all.
    pub stats_log: Option<Duration>,
    /// Access log lines per second, if there is an access log.
    pub access_log: Option<u32>,
    /// The OTLP collector and the signals exported to it, if there is one.
    pub otlp: Option<crate::export::otlp::settings::OtlpSettings>,
    /// The page that replaces the service's 404, if any.
    pub not_found_page: Option<NotFoundSetting>,
    /// How long connections are still accepted once a drain has begun.
    pub drain_grace: Duration,
    /// How long exchanges in flight may then take to finish.
    pub drain_timeout: Duration,
    /// The log filter, as a directive of `tracing`.
    pub log: String,
    /// Ignored settings with the reason. They are logged later, once logging is set up.
    pub warnings: Vec<String>,
}

/// Tunnels a service's traffic, counts it per endpoint, and obeys the mesh's rules.
///
/// Each flag has a variable, and the flag takes precedence; a variable with an empty value counts as not set.
/// POD_NAME, POD_NAMESPACE, POD_UID, POD_IP and NODE_NAME describe the pod itself, and RUST_LOG sets the log filter (info).
/// OTEL_EXPORTER_OTLP_ENDPOINT names an OpenTelemetry collector, and the other OTEL variables control what is sent to it.
#[derive(Debug, Default, Parser)]
#[command(name = "sitio-sidecar", version)]
pub struct Flags {
    /// Port to listen on; 0 takes a free one [env: PORT or port] [default: 8080]
    #[arg(long)]
    port: Option<String>,
    /// Port of the service, on 127.0.0.1 or [::1] [env: TARGET_PORT or target_port] [default: 8087]
    #[arg(long)]
    target_port: Option<String>,
    /// The service itself where it is not on 127.0.0.1: [::1]:8087 or unix:/run/app.sock [env: TARGET] [default: none]
    #[arg(long, value_name = "ADDRESS")]
    target: Option<String>,
    /// What connections are taken for: auto, http or tcp [env: SITIO_PROTOCOL] [default: auto]
    #[arg(long)]
    protocol: Option<String>,
    /// Address to listen on, the admin port too [env: SITIO_LISTEN] [default: 0.0.0.0]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Port for health, metrics and stats; 0 takes a free one [env: SITIO_ADMIN_PORT] [default: 9191]
    #[arg(long, value_name = "PORT")]
    admin_port: Option<String>,
    /// The control plane, http://host:port [env: SITIO_CONTROL_PLANE, DASHBOARD or MOTHERSHIP] [default: none]
    #[arg(long, value_name = "URL")]
    control_plane: Option<String>,
    /// Refused, because all who list processes would see the token. It exists only for the error message.
    #[arg(long, hide = true)]
    token: Option<String>,
    /// File with the token for the control plane, read again at each dial [env: SITIO_TOKEN_FILE] [default: the token in SITIO_TOKEN]
    #[arg(long, value_name = "PATH")]
    token_file: Option<String>,
    /// Service that this pod is a copy of [env: SITIO_SERVICE] [default: the pod's name less its generated suffix]
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// Worker threads, 1 to 64 [env: SITIO_WORKERS] [default: the processor limit, at most 2]
    #[arg(long, value_name = "COUNT")]
    workers: Option<String>,
    /// Paths that no rule may turn off, separated by commas [env: SITIO_PROTECTED] [default: /healthz,/livez,/readyz,/health]
    #[arg(long, value_name = "PATHS")]
    protected: Option<String>,
    /// Patterns by which paths are named, separated by commas: /users/{name},/files/{path...} [env: SITIO_ROUTES] [default: none]
    #[arg(long, value_name = "PATTERNS")]
    routes: Option<String>,
    /// Prints the statistics at this interval, such as 5s [env: SITIO_STATS_LOG] [default: off]
    #[arg(long, value_name = "INTERVAL")]
    stats_log: Option<String>,
    /// Writes a line of JSON for each exchange to standard output: json, or off [env: SITIO_ACCESS_LOG] [default: off]
    #[arg(long, value_name = "FORMAT")]
    access_log: Option<String>,
    /// Lines of it a second; the others are counted [env: SITIO_ACCESS_LOG_RATE] [default: 1000]
    #[arg(long, value_name = "LINES")]
    access_log_rate: Option<String>,
    /// HTML file in place of the service's 404 pages, or built-in [env: SITIO_NOT_FOUND_PAGE] [default: none]
    #[arg(long, value_name = "PATH")]
    not_found_page: Option<String>,
    #[command(flatten)]
    timeouts: TimeoutFlags,
    #[command(flatten)]
    limits: LimitFlags,
    /// Downstream connections held at once [env: SITIO_CONNECTIONS_MAX] [default: 16384, or what descriptors allow]
    #[arg(long, value_name = "COUNT")]
    connections_max: Option<String>,
    /// Fields appended to requests, of via, x-forwarded-for, x-forwarded-proto and forwarded [env: SITIO_FORWARDED] [default: none]
    #[arg(long, value_name = "NAMES")]
    forwarded: Option<String>,
    /// Whether the history keeps the queries of paths: keep or drop [env: SITIO_HISTORY_QUERY] [default: drop]
    #[arg(long, value_name = "WORD")]
    history_query: Option<String>,
    /// How long a drain still accepts connections [env: SITIO_DRAIN_GRACE] [default: 5s]
    #[arg(long, value_name = "DURATION")]
    drain_grace: Option<String>,
    /// How long a drain then waits for exchanges in flight [env: SITIO_DRAIN_TIMEOUT] [default: 30s]
    #[arg(long, value_name = "DURATION")]
    drain_timeout: Option<String>,
}

impl SidecarConfig {
    /// Reads the command line and the environment of this process. `--help` ends the process here.
    pub fn read() -> Result<Self, Wrong> {
        let lossy = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned())
        };
        Self::check(Flags::parse(), std::env::vars_os().map(lossy))
    }

    /// Checks the given flags and variables.
    pub fn check(flags: Flags, environment: impl IntoIterator<Item = (String, String)>) -> Result<Self, Wrong> {
        let mut settings = EnvSettings::new(environment);
        let address = settings.value(flags.listen, &["SITIO_LISTEN"]).parse(values::address)?.unwrap_or([0, 0, 0, 0].into());
        let port = settings.value(flags.port, &["PORT", "port"]);
        let listen = SocketAddr::new(address, port.parse(values::port)?.unwrap_or(8080));
        let target = target::target(&mut settings, flags.target, flags.target_port, listen)?;
        let admin = settings.value(flags.admin_port, &["SITIO_ADMIN_PORT"]);
        let admin_port = admin.parse(values::port)?.unwrap_or(9191);
        if admin_port != 0 && (admin_port == listen.port() || target.port() == Some(admin_port)) {
            return Err(admin.wrong("a port that is taken by the traffic or by the service"));
        }

        let token = token(&mut settings, flags.token, flags.token_file)?;
        let names = ["SITIO_CONTROL_PLANE", "DASHBOARD", "MOTHERSHIP"];
        let uri = settings.value(flags.control_plane, &names).parse(values::control_plane)?;
        Ok(Self {
            listen,
            admin: SocketAddr::new(address, admin_port),
            target,
            protocol: settings.value(flags.protocol, &["SITIO_PROTOCOL"]).parse(values::protocol)?.unwrap_or_default(),
            control_plane: uri.map(|uri| ControlPlaneTarget { uri, token }),
            named: named(&mut settings, flags.service)?,
            workers: settings.value(flags.workers, &["SITIO_WORKERS"]).parse(values::workers)?,
            protected: settings.value(flags.protected, &["SITIO_PROTECTED"]).parse(values::paths)?.unwrap_or_else(protected),
            routes: settings.value(flags.routes, &["SITIO_ROUTES"]).parse(values::patterns)?.unwrap_or_default(),
            timeouts: flags.timeouts.check(&mut settings)?,
            limits: flags.limits.check(&mut settings)?,
            forwarding: settings.value(flags.forwarded, &["SITIO_FORWARDED"]).parse(values::forwarding)?.unwrap_or_default(),
            connections_max: settings.value(flags.connections_max, &["SITIO_CONNECTIONS_MAX"]).parse(values::connections)?,
            queries: settings.value(flags.history_query, &["SITIO_HISTORY_QUERY"]).parse(values::queries)?.unwrap_or_default(),
            stats_log: settings.value(flags.stats_log, &["SITIO_STATS_LOG"]).parse(values::interval)?.flatten(),
            otlp: otlp::otlp(&mut settings)?,
            access_log: access_log(&mut settings, flags.access_log, flags.access_log_rate)?,
            not_found_page: settings.value(flags.not_found_page, &["SITIO_NOT_FOUND_PAGE"]).parse(values::page)?,
            drain_grace: settings.duration(flags.drain_grace, "SITIO_DRAIN_GRACE", DRAIN_GRACE)?,
            drain_timeout: settings.duration(flags.drain_timeout, "SITIO_DRAIN_TIMEOUT", DRAIN_TIMEOUT)?,
            log: settings.value(None, &["RUST_LOG"]).parse(values::log)?.unwrap_or_else(|| "info".to_owned()),
            warnings: settings.warnings(),
        })
    }
}

/// Load balancers and kube-proxy take a few seconds to learn that a pod is terminating.
pub const DRAIN_GRACE: Duration = Duration::from_secs(5);

/// Longer than nearly every exchange. Together with the grace it exceeds the 30 s that Kubernetes waits by default
/// before it kills, so a manifest sets one or the other.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// Access log lines per second. A busy pod then logs about 300 kB/s, which log collectors can take.
pub const ACCESS_LOG_RATE: u32 = 1000;

/// The paths on which services commonly answer the kubelet's probes.
pub fn protected() -> Vec<String> {
    ["/healthz", "/livez", "/readyz", "/health"].map(str::to_owned).to_vec()
}

fn token(settings: &mut EnvSettings, flag: Option<String>, file: Option<String>) -> Result<StreamToken, Wrong> {
    let token = settings.value(None, &["SITIO_TOKEN"]).secret();
    if flag.is_some() {
        return Err(Wrong::new(
            "--token shows the token to all who list processes: set the variable SITIO_TOKEN, or name a file by --token-file",
        ));
    }
    let file = settings.value(file, &["SITIO_TOKEN_FILE"]);
    match (token.parse(values::token)?, file.parse(values::token_file)?) {
        (Some(_), Some(_)) => Err(file.wrong("only one of the two: there is a SITIO_TOKEN as well")),
        (Some(token), None) => Ok(StreamToken::Text(token)),
        (None, Some(path)) => Ok(StreamToken::File(path)),
        (None, None) => Ok(StreamToken::None),
    }
}

/// Returns the access log lines per second, if the access log is on.
fn access_log(settings: &mut EnvSettings, format: Option<String>, rate: Option<String>) -> Result<Option<u32>, Wrong> {
    let format = settings.value(format, &["SITIO_ACCESS_LOG"]).parse(values::access_log)?.unwrap_or(AccessLogFormat::Off);
    let rate = settings.value(rate, &["SITIO_ACCESS_LOG_RATE"]).parse(values::lines)?.unwrap_or(ACCESS_LOG_RATE);
    Ok((format == AccessLogFormat::Json).then_some(rate))
}

fn named(settings: &mut EnvSettings, service: Option<String>) -> Result<PodDescription, Wrong> {
    Ok(PodDescription {
        service: settings.value(service, &["SITIO_SERVICE"]).parse(values::name)?,
        pod: settings.value(None, &["POD_NAME"]).parse(values::name)?,
        namespace: settings.value(None, &["POD_NAMESPACE"]).parse(values::name)?,
        pod_uid: settings.value(None, &["POD_UID"]).parse(values::name)?,
        node: settings.value(None, &["NODE_NAME"]).parse(values::name)?,
        addresses: settings.value(None, &["POD_IP"]).parse(values::addresses)?,
    })
}

impl EnvSettings {
    fn duration(&mut self, flag: Option<String>, name: &'static str, default: Duration) -> Result<Duration, Wrong> {
        Ok(self.value(flag, &[name]).parse(values::duration)?.unwrap_or(default))
    }
}

#[cfg(test)]
mod tests;
