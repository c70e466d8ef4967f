//! The control plane's settings: flags first, each with a `SITIO_…` variable; read once and validated as a whole.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{ArgAction, Command, CommandFactory, FromArgMatches, Parser};

use mesh::token::{TOKEN_BYTES_MIN, token as one_line_token};

use crate::access::caller::TrustedProxies;
use crate::access::settings::SignInSettings;
use crate::grpc::admission::PlaintextPolicy;
use crate::kubernetes_api::KubernetesSettings;
use crate::public_url::PublicUrl;
use crate::replication_settings::ReplicationSettings;
use crate::service_accounts::ServiceAccountSettings;
use crate::store::rollup::Keep;
use crate::tls::TlsSettings;
use crate::token::SecretToken;
use crate::webhook::settings::WebhookSettings;

/// The shortest retention: what the charts in memory need after a restart.
const KEEP_MIN: Duration = Duration::from_secs(3600);

/// The longest retention: ten years.
const KEEP_MAX: Duration = Duration::from_secs(10 * 366 * 24 * 3600);

/// The smallest size that a setting accepts.
const STORE_BYTES_MIN: u64 = 16 << 20;

/// Adds up what the sidecars of a mesh count, shows it on a dashboard, and sends rules back.
#[derive(Debug, Parser)]
#[command(name = "sitio-control-plane", version)]
pub struct ControlPlaneConfig {
    /// The address of the dashboard and the API.
    #[arg(long, env = "SITIO_HTTP_ADDR", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8090")]
    pub http_addr: SocketAddr,
    /// The address that sidecars connect to.
    #[arg(long, env = "SITIO_GRPC_ADDR", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8091")]
    pub grpc_addr: SocketAddr,
    /// The folder for rules, audit entries and counts.
    #[arg(long, env = "SITIO_DATA_DIR", value_name = "FOLDER", default_value = "./sitio-data")]
    pub data_dir: PathBuf,
    /// The token that sidecars and users authenticate with. It has no flag, because other users of the machine see flags.
    #[arg(long, env = "SITIO_TOKEN", value_name = "SECRET", hide = true, hide_env_values = true, conflicts_with = "token_file")]
    token: Option<String>,
    /// A file with the token that sidecars and users authenticate with. A token of at least 16 characters is required on any address but loopback [default: the token in SITIO_TOKEN].
    #[arg(long, env = "SITIO_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The Kubernetes API.
    #[command(flatten)]
    pub kubernetes: KubernetesSettings,
    /// Service-account tokens of sidecars' pods.
    #[command(flatten)]
    pub service_accounts: ServiceAccountSettings,
    /// TLS on the port for sidecars.
    #[command(flatten)]
    pub tls: TlsSettings,
    /// Accept sidecars without TLS from other machines, too: the network is protected by something else, or sidecars are being upgraded.
    #[arg(long, env = "SITIO_ALLOW_PLAINTEXT", value_name = "BOOL", default_value_t = false, action = ArgAction::Set)]
    allow_plaintext: bool,
    /// How people and scripts sign in.
    #[command(flatten)]
    pub sign_in: SignInSettings,
    /// How long a pod that is gone is remembered, such as 30m or 1h.
    #[arg(long, env = "SITIO_FORGET_PODS_AFTER", value_name = "TIME", default_value = "1h", value_parser = humantime::parse_duration)]
    pub forget_pods_after: Duration,
    /// How long counts are kept in steps of ten seconds, such as 6h.
    #[arg(long, env = "SITIO_KEEP_10S", value_name = "TIME", default_value = "6h", value_parser = humantime::parse_duration)]
    keep_10s: Duration,
    /// How long counts are kept in steps of a minute, such as 7d.
    #[arg(long, env = "SITIO_KEEP_1M", value_name = "TIME", default_value = "7d", value_parser = humantime::parse_duration)]
    keep_1m: Duration,
    /// How long counts are kept in steps of an hour, such as 90d; endpoints without requests for as long are deleted.
    #[arg(long, env = "SITIO_KEEP_1H", value_name = "TIME", default_value = "90d", value_parser = humantime::parse_duration)]
    keep_1h: Duration,
    /// The size that the counts on disk may grow to; over it, the oldest steps are deleted first. The file also has free pages, and may be twice as large.
    #[arg(long, env = "SITIO_STORE_MAX", value_name = "SIZE", default_value = "1GiB", value_parser = size)]
    store_max: u64,
    /// Streams that one address may hold at a time; set it above the number of sidecars behind one proxy [default: one for each 4 MiB of SITIO_MEMORY_MAX, at most 1024].
    #[arg(long, env = "SITIO_STREAMS_PER_ADDRESS_MAX", value_name = "COUNT", value_parser = at_least_one)]
    pub streams_per_address_max: Option<usize>,
    /// The address of the dashboard in browsers if it is behind a proxy, such as https://tools.example/sitio [default: none].
    #[allow(rustdoc::bare_urls, reason = "the comment is the help text, which is not Markdown")]
    #[arg(long, env = "SITIO_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<PublicUrl>,
    /// Addresses or networks of proxies whose X-Forwarded-For is used to limit wrong tokens, such as 10.0.0.7,10.1.0.0/16 [default: none].
    #[arg(long, env = "SITIO_TRUSTED_PROXIES", value_name = "ADDRESSES", default_value = "", hide_default_value = true)]
    pub trusted_proxies: TrustedProxies,
    /// The memory for what sidecars report, such as 512MiB [default: three quarters of the container's limit; 8GiB if it has none].
    #[arg(long, env = "SITIO_MEMORY_MAX", value_name = "SIZE", value_parser = size)]
    pub memory_max: Option<u64>,
    /// A file with the channels that notices about crashes and failures go to; it is read again when it changes [default: none; notices are on the dashboard only].
    #[arg(long, env = "SITIO_NOTIFICATIONS_FILE", value_name = "FILE")]
    pub notifications_file: Option<PathBuf>,
    /// The admission webhook.
    #[command(flatten)]
    pub webhook: WebhookSettings,
    /// Several control planes with one state.
    #[command(flatten)]
    pub replication: ReplicationSettings,
}

impl ControlPlaneConfig {
    /// The retention of what was counted.
    pub fn keep(&self) -> Keep {
        Keep { ten_seconds: self.keep_10s, minutes: self.keep_1m, hours: self.keep_1h, bytes_max: self.store_max }
    }

    /// Where sidecars may connect from without TLS.
    pub fn plaintext(&self) -> PlaintextPolicy {
        match (self.tls.asks_for_certificates(), self.allow_plaintext) {
            (true, _) => PlaintextPolicy::Nowhere,
            (false, true) => PlaintextPolicy::Anywhere,
            (false, false) => PlaintextPolicy::Loopback,
        }
    }

    /// Requires a token that cannot be guessed if a port is reachable from other machines.
    fn check_token(&self, token: Option<&SecretToken>) -> Result<(), NotConfigured> {
        let is_open = |address: &SocketAddr| !address.ip().is_loopback();
        let Some(address) = [self.http_addr, self.grpc_addr].into_iter().find(is_open) else { return Ok(()) };
        // People may sign in by other means, and sidecars by their pods' own tokens.
        let http = Some(self.http_addr).filter(|_| !self.sign_in.is_given());
        let grpc = Some(self.grpc_addr).filter(|_| !self.service_accounts.are_accepted());
        let without_token = http.into_iter().chain(grpc).find(is_open);
        match (token.map(SecretToken::bytes), without_token) {
            (None, Some(address)) => Err(NotConfigured::Senseless(format!(
                "{address} is reachable from other machines, so a token is needed: set SITIO_TOKEN or SITIO_TOKEN_FILE; \
                 for people, SITIO_USERS_FILE names users"
            ))),
            (Some(bytes), _) if bytes < TOKEN_BYTES_MIN => Err(NotConfigured::Senseless(format!(
                "{address} is reachable from other machines, so the token must have at least {TOKEN_BYTES_MIN} letters, and \
                 SITIO_TOKEN has {bytes}: make one by openssl rand -hex 32"
            ))),
            _ => Ok(()),
        }
    }

    /// Checks that coarser steps are kept at least as long as finer ones.
    fn check_keep(&self) -> Result<(), NotConfigured> {
        let Keep { ten_seconds, minutes, hours, .. } = self.keep();
        if KEEP_MIN <= ten_seconds && ten_seconds <= minutes && minutes <= hours && hours <= KEEP_MAX {
            return Ok(());
        }
        Err(NotConfigured::Senseless(format!(
            "SITIO_KEEP_10S, SITIO_KEEP_1M and SITIO_KEEP_1H must not be shorter one than the other before it, and within {} to {}",
            humantime::format_duration(KEEP_MIN),
            humantime::format_duration(KEEP_MAX)
        )))
    }
}

/// Parses a size in bytes, as in `512MiB`.
fn size(text: &str) -> Result<u64, String> {
    let digits = text.len() - text.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim() {
        "MiB" => Some(20),
        "GiB" => Some(30),
        "TiB" => Some(40),
        _ => None,
    };
    let bytes = shift.zip(number.parse::<u64>().ok()).and_then(|(shift, number)| number.checked_mul(1 << shift));
    match bytes.filter(|bytes| *bytes >= STORE_BYTES_MIN) {
        Some(bytes) => Ok(bytes),
        None => Err("it must be a whole number of MiB, GiB or TiB, of at least 16MiB, such as 1GiB".to_owned()),
    }
}

fn at_least_one(count: &str) -> Result<usize, String> {
    match count.parse() {
        Ok(0) | Err(_) => Err("it must be a whole number of at least 1".to_owned()),
        Ok(count) => Ok(count),
    }
}

/// A valid configuration, and its warnings.
#[derive(Debug)]
pub struct Configured {
    /// The settings.
    pub config: ControlPlaneConfig,
    /// The token, from its variable or its file.
    pub token: Option<SecretToken>,
    /// Lines to log once logging works.
    pub warnings: Vec<String>,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum NotConfigured {
    /// The text of the help or the version, if that was requested.
    #[error("{0}")]
    Asked(String),
    /// A setting is invalid.
    #[error("{0}")]
    Senseless(String),
}

/// Reads the settings from flags and variables.
pub fn read() -> Result<Configured, NotConfigured> {
    let (command, warnings) = without_strange_variables(ControlPlaneConfig::command());
    let described = command.clone();
    let matches = command.try_get_matches().map_err(|error| one_line(&described, &error))?;
    let config = ControlPlaneConfig::from_arg_matches(&matches).map_err(|error| one_line(&described, &error))?;
    config.check_keep()?;
    if matches.value_source("token") == Some(ValueSource::CommandLine) {
        let why =
            "--token would expose the token in the process list: set the variable SITIO_TOKEN, or name a file by --token-file";
        return Err(NotConfigured::Senseless(why.to_owned()));
    }
    let token = token(&config)?;
    config.check_token(token.as_ref())?;
    config.sign_in.check(config.public_url.as_ref()).map_err(NotConfigured::Senseless)?;
    config.replication.check().map_err(NotConfigured::Senseless)?;
    let mut warnings = warnings;
    if token.is_none() && !config.sign_in.is_given() && config.public_url.as_ref().is_some_and(|url| !url.is_local()) {
        warnings.push("SITIO_PUBLIC_URL is set without a sign-in: every client behind the proxy has full access".to_owned());
    }
    Ok(Configured { config, token, warnings })
}

/// Removes the variables that cannot be meant as settings, and returns warnings about them.
fn without_strange_variables(mut command: Command) -> (Command, Vec<String>) {
    let mut warnings = Vec::new();
    for (name, value) in std::env::vars_os() {
        let Some((name, value)) = name.to_str().zip(value.to_str()).filter(|(name, _)| name.starts_with("SITIO_")) else {
            continue;
        };
        let known = flag_of(&command, name);
        // Kubernetes derives such variables from the names of Services.
        let is_made = value.starts_with("tcp://");
        match known {
            Some(flag) if is_made || value.is_empty() => {
                if is_made {
                    warnings.push(format!(
                        "{name}={value} looks like a variable that Kubernetes derived from a Service's name, and is ignored"
                    ));
                }
                command = command.mut_arg(flag, |arg| arg.env(Resettable::Reset));
            }
            None if !is_made => warnings.push(format!("{name} is not a setting of the control plane, and is ignored")),
            _ => {}
        }
    }
    (command, warnings)
}

fn flag_of(command: &Command, variable: &str) -> Option<String> {
    let arg = command.get_arguments().find(|arg| arg.get_env().is_some_and(|env| env == variable))?;
    Some(arg.get_id().to_string())
}

/// Converts an error of clap into one line that names the variable too.
fn one_line(command: &Command, error: &clap::Error) -> NotConfigured {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return NotConfigured::Asked(error.to_string());
    }
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
    let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg) else { return NotConfigured::Senseless(line) };
    let name = flag.trim_start_matches("--").split(' ').next().unwrap_or_default();
    let arg = command.get_arguments().find(|arg| arg.get_long() == Some(name));
    match arg.and_then(|arg| arg.get_env()) {
        Some(variable) => NotConfigured::Senseless(format!("{line}; the variable for it is {}", variable.to_string_lossy())),
        None => NotConfigured::Senseless(line),
    }
}

fn token(config: &ControlPlaneConfig) -> Result<Option<SecretToken>, NotConfigured> {
    let (text, whence) = match (&config.token_file, &config.token) {
        (Some(file), _) => {
            let whence = format!("read the token from {} (SITIO_TOKEN_FILE)", file.display());
            let text = std::fs::read_to_string(file).map_err(|error| NotConfigured::Senseless(format!("{whence}: {error}")))?;
            (text, whence)
        }
        (None, Some(text)) => (text.clone(), "read the token from SITIO_TOKEN".to_owned()),
        (None, None) => return Ok(None),
    };
    let token = one_line_token(&text).map_err(|why| NotConfigured::Senseless(format!("{whence}: {why}")))?;
    Ok(SecretToken::new(token))
}
