//! The program's settings: flags first, each with a `SITIO_…` variable; read once and checked whole.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, CommandFactory, FromArgMatches, Parser};

use crate::control_plane::STREAMS_PER_ADDRESS_MAX;
use crate::token::Token;

/// Adds up what the sidecars of a mesh saw, shows it on a dashboard, and sends rules back.
#[derive(Debug, Parser)]
#[command(name = "sitio-control-plane", version)]
pub struct Config {
    /// Where the dashboard and the API listen.
    #[arg(long, env = "SITIO_HTTP_ADDR", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8090")]
    pub http_addr: SocketAddr,
    /// Where sidecars attach.
    #[arg(long, env = "SITIO_GRPC_ADDR", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8091")]
    pub grpc_addr: SocketAddr,
    /// The folder for rules and audit entries.
    #[arg(long, env = "SITIO_DATA_DIR", value_name = "FOLDER", default_value = "./sitio-data")]
    pub data_dir: PathBuf,
    /// What sidecars and people authenticate with; needed on anything but loopback [default: none].
    #[arg(long, env = "SITIO_TOKEN", value_name = "SECRET", hide_env_values = true, conflicts_with = "token_file")]
    token: Option<String>,
    /// A file that holds the token [default: none].
    #[arg(long, env = "SITIO_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// How long a pod that is gone is remembered, such as 30m or 1h.
    #[arg(long, env = "SITIO_FORGET_PODS_AFTER", value_name = "TIME", default_value = "1h", value_parser = humantime::parse_duration)]
    pub forget_pods_after: Duration,
    /// Streams that one address may hold at a time: more than the sidecars of one node, or behind one proxy.
    #[arg(long, env = "SITIO_STREAMS_PER_ADDRESS_MAX", value_name = "COUNT", default_value_t = STREAMS_PER_ADDRESS_MAX, value_parser = at_least_one)]
    pub streams_per_address_max: usize,
}

fn at_least_one(count: &str) -> Result<usize, String> {
    match count.parse() {
        Ok(0) | Err(_) => Err("it must be a whole number of at least 1".to_owned()),
        Ok(count) => Ok(count),
    }
}

/// A configuration that makes sense, and what was strange about it.
#[derive(Debug)]
pub struct Configured {
    /// The settings.
    pub config: Config,
    /// The token, wherever it came from.
    pub token: Option<Token>,
    /// Lines to log once logging works.
    pub warnings: Vec<String>,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum NotConfigured {
    /// Help or the version was asked for, and this is it.
    #[error("{0}")]
    Asked(String),
    /// A setting makes no sense.
    #[error("{0}")]
    Senseless(String),
}

/// Reads the settings from flags and variables.
pub fn read() -> Result<Configured, NotConfigured> {
    let (command, warnings) = without_strange_variables(Config::command());
    let described = command.clone();
    let matches = command.try_get_matches().map_err(|error| one_line(&described, &error))?;
    let config = Config::from_arg_matches(&matches).map_err(|error| one_line(&described, &error))?;
    let token = token(&config)?;
    let beyond = [config.http_addr, config.grpc_addr].into_iter().find(|address| !address.ip().is_loopback());
    match beyond.filter(|_| token.is_none()) {
        Some(address) => Err(NotConfigured::Senseless(format!(
            "{address} can be reached from beyond this machine, so a token is needed: set SITIO_TOKEN or SITIO_TOKEN_FILE"
        ))),
        None => Ok(Configured { config, token, warnings }),
    }
}

/// Leaves out the variables that nobody can have meant, and says so.
fn without_strange_variables(mut command: Command) -> (Command, Vec<String>) {
    let mut warnings = Vec::new();
    for (name, value) in std::env::vars_os() {
        let Some((name, value)) = name.to_str().zip(value.to_str()).filter(|(name, _)| name.starts_with("SITIO_")) else {
            continue;
        };
        let known = flag_of(&command, name);
        // Kubernetes makes such variables of the names of Services.
        let is_made = value.starts_with("tcp://");
        match known {
            Some(flag) if is_made || value.is_empty() => {
                if is_made {
                    warnings.push(format!("{name}={value} looks like Kubernetes made it of a Service's name, and is ignored"));
                }
                command = command.mut_arg(flag, |arg| arg.env(Resettable::Reset));
            }
            None if !is_made => warnings.push(format!("{name} is no setting of the control plane, and is ignored")),
            _ => {}
        }
    }
    (command, warnings)
}

fn flag_of(command: &Command, variable: &str) -> Option<String> {
    let arg = command.get_arguments().find(|arg| arg.get_env().is_some_and(|env| env == variable))?;
    Some(arg.get_id().to_string())
}

/// What clap has to say of a wrong setting, in one line that names the variable too.
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

fn token(config: &Config) -> Result<Option<Token>, NotConfigured> {
    if let Some(file) = &config.token_file {
        let why =
            |why: String| NotConfigured::Senseless(format!("read the token in {} (SITIO_TOKEN_FILE): {why}", file.display()));
        let secret = std::fs::read_to_string(file).map_err(|error| why(error.to_string()))?;
        return Ok(Some(Token::new(&secret).ok_or_else(|| why("the file is empty".into()))?));
    }
    Ok(config.token.as_deref().and_then(Token::new))
}
