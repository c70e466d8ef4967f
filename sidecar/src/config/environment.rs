//! Turns environment variables into arguments, and errors about them into one line that names the variable.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::ffi::{OsStr, OsString};

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};

/// Kubernetes creates variables from the names of Services; their values look like `SITIO_ADMIN_PORT=tcp://10.0.0.1:80`.
const SERVICE_LINK: &str = "tcp://";

/// More names of variables: those of the original articles.
const OTHER_NAMES: [(&str, &[&str]); 3] =
    [("PORT", &["port"]), ("TARGET_PORT", &["target_port"]), ("SITIO_CONTROL_PLANE", &["DASHBOARD", "MOTHERSHIP"])];

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The text of the help or the version was requested, or a flag does not exist.
    #[error(transparent)]
    Usage(#[from] clap::Error),
    /// A setting is invalid, described in one line.
    #[error("{0}")]
    Invalid(String),
}

/// The matched settings, and the variables that they came from.
pub(super) struct Settings {
    pub(super) matches: ArgMatches,
    /// Ignored variables with the reason.
    pub(super) warnings: Vec<String>,
    command: Command,
    /// The name of the variable by flag.
    variables: BTreeMap<String, String>,
}

impl Settings {
    /// Matches arguments and variables against the flags of `command`. A flag takes precedence over its
    /// variable, and its variable over the default.
    pub(super) fn read(
        command: Command,
        arguments: Vec<OsString>,
        environment: BTreeMap<String, String>,
    ) -> Result<Self, ConfigError> {
        // The variables are those given, not those of this process, so that tests need to set none.
        let command = command.mut_args(|arg| if arg.get_env().is_some() { arg.hide_env_values(true) } else { arg });
        refuse_hidden_flags(&command, &arguments)?;
        let (mut variables, mut warnings, mut known) = (BTreeMap::new(), Vec::new(), BTreeSet::new());
        let mut all = vec![OsString::from(command.get_name())];
        for arg in command.get_arguments() {
            let Some((flag, names)) = arg.get_long().zip(variable_names(arg)) else { continue };
            known.extend(names.iter().copied());
            if is_given(flag, &arguments) || is_unused(names[0], &environment) {
                continue;
            }
            if let Some((name, value)) = first_value(&names, &environment, &mut warnings) {
                all.push(format!("--{flag}={value}").into());
                variables.insert(flag.to_owned(), name.to_owned());
            }
        }
        let unknown = environment.keys().map(String::as_str).filter(|name| name.starts_with("SITIO_") && !known.contains(name));
        let unknown: Vec<&str> = unknown.collect();
        if !unknown.is_empty() {
            warnings.push(format!("ignoring unknown variables: {}", unknown.join(", ")));
        }
        all.extend(arguments);
        let parsed = command.clone().mut_args(|arg| arg.env(Resettable::Reset)).try_get_matches_from(&all);
        match parsed {
            Ok(matches) => Ok(Self { matches, warnings, command, variables }),
            Err(error) if error.kind() == ErrorKind::ValueValidation => Err(one_line(&command, &variables, &error)),
            // The help shows the variables, so it is made by the command that has them.
            Err(error) => Err(command.try_get_matches_from(&all).err().unwrap_or(error).into()),
        }
    }

    /// Whether a flag or a variable gives the setting `id`.
    pub(super) fn is_set(&self, id: &str) -> bool {
        self.matches.value_source(id) == Some(ValueSource::CommandLine)
    }

    /// The error that the setting `id` is `what`. If it has its default, the error says so.
    pub(super) fn conflict(&self, id: &str, what: &str) -> ConfigError {
        let Some(arg) = self.command.get_arguments().find(|arg| arg.get_id() == id) else {
            return ConfigError::Invalid(what.to_owned());
        };
        let value = self.matches.get_raw(id).and_then(|mut values| values.next()).map(OsStr::to_string_lossy);
        if let Some(value) = value.filter(|_| self.is_set(id)) {
            let name = name_of(arg, &self.variables);
            ConfigError::Invalid(format!("{name} is {}: that is {what}", shown(arg, &value)))
        } else {
            let name = variable_names(arg).map_or(id, |names| names[0]);
            ConfigError::Invalid(format!("the default of {name} is {what}"))
        }
    }
}

/// Refuses flags that exist as variables only.
fn refuse_hidden_flags(command: &Command, arguments: &[OsString]) -> Result<(), ConfigError> {
    let mut hidden = command.get_arguments().filter(|arg| arg.is_hide_set()).filter_map(Arg::get_long);
    match hidden.find(|flag| is_given(flag, arguments)) {
        None => Ok(()),
        Some("token") => Err(ConfigError::Invalid(
            "--token shows the token to all who list processes: set the variable SITIO_TOKEN, or name a file by --token-file"
                .to_owned(),
        )),
        Some(flag) => {
            let why = format!("unexpected argument '--{flag}' found");
            Err(command.clone().error(ErrorKind::UnknownArgument, why).into())
        }
    }
}

fn is_given(flag: &str, arguments: &[OsString]) -> bool {
    let mut texts = arguments.iter().filter_map(|argument| argument.to_str()?.strip_prefix("--"));
    texts.any(|text| text.strip_prefix(flag).is_some_and(|rest| rest.is_empty() || rest.starts_with('=')))
}

/// Whether this is one of OpenTelemetry's variables, and nothing is exported.
fn is_unused(name: &str, environment: &BTreeMap<String, String>) -> bool {
    let value = |name: &str| environment.get(name).map(|value| value.trim()).unwrap_or_default();
    let is_exported =
        !value("OTEL_EXPORTER_OTLP_ENDPOINT").is_empty() && !value("OTEL_SDK_DISABLED").eq_ignore_ascii_case("true");
    name.starts_with("OTEL_") && !is_exported
}

/// All names of an argument's variable, the main one first.
fn variable_names(arg: &Arg) -> Option<Vec<&str>> {
    let first = arg.get_env()?.to_str()?;
    let others = OTHER_NAMES.iter().find(|(name, _)| *name == first).map_or(&[][..], |(_, others)| others);
    Some(std::iter::once(first).chain(others.iter().copied()).collect())
}

/// The first variable that is set and not empty. Values that Kubernetes has created are skipped with a warning.
fn first_value<'a>(
    names: &[&'a str],
    environment: &'a BTreeMap<String, String>,
    warnings: &mut Vec<String>,
) -> Option<(&'a str, &'a str)> {
    for name in names {
        match environment.get(*name).map(|value| value.trim()) {
            None | Some("") => {}
            Some(value) if value.starts_with(SERVICE_LINK) => {
                warnings.push(format!("ignoring {name}: Kubernetes created it from the name of a Service"));
            }
            Some(value) => return Some((name, value)),
        }
    }
    None
}

/// Converts an error about a value into one line that names the variable or the flag.
fn one_line(command: &Command, variables: &BTreeMap<String, String>, error: &clap::Error) -> ConfigError {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.as_str(),
        _ => "",
    };
    let flag = context(ContextKind::InvalidArg).trim_start_matches("--").split([' ', '=']).next();
    let expected = error.source().map_or_else(|| error.kind().to_string(), ToString::to_string);
    match command.get_arguments().find(|arg| arg.get_long() == flag) {
        Some(arg) => {
            let (name, value) = (name_of(arg, variables), shown(arg, context(ContextKind::InvalidValue)));
            ConfigError::Invalid(format!("{name} is {value}: expected {expected}"))
        }
        None => ConfigError::Invalid(expected),
    }
}

fn name_of(arg: &Arg, variables: &BTreeMap<String, String>) -> String {
    let flag = arg.get_long().unwrap_or_default();
    variables.get(flag).cloned().unwrap_or_else(|| format!("--{flag}"))
}

/// The settings whose values are never shown.
const SECRETS: [&str; 2] = ["token", "otlp-headers"];

fn shown(arg: &Arg, value: &str) -> String {
    if arg.get_long().is_some_and(|flag| SECRETS.contains(&flag)) { "not shown here".to_owned() } else { format!("{value:?}") }
}
