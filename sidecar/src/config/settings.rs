//! Looks up a setting in flags and variables, and remembers its source for error messages.

use std::collections::BTreeMap;

use std::fmt::Display;

/// Kubernetes creates variables from the names of Services; their values look like `SITIO_ADMIN_PORT=tcp://10.0.0.1:80`.
const SERVICE_LINK: &str = "tcp://";

/// The variables of a process, and the names that were looked up.
#[derive(Debug)]
pub struct EnvSettings {
    environment: BTreeMap<String, String>,
    known: Vec<&'static str>,
    warnings: Vec<String>,
}

/// One setting: the name of its source and its value.
#[derive(Debug)]
pub struct FoundSetting {
    name: String,
    value: Option<String>,
    is_secret: bool,
}

/// An invalid setting, described in one line.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Wrong(String);

impl Wrong {
    /// An error with this text, which must be one line.
    pub fn new(why: &str) -> Self {
        Self(why.to_owned())
    }
}

impl EnvSettings {
    /// Settings from these environment variables.
    pub fn new(environment: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { environment: environment.into_iter().collect(), known: Vec::new(), warnings: Vec::new() }
    }

    /// Returns the flag's value, or that of the first variable that is set and not empty.
    pub fn value(&mut self, flag: Option<String>, names: &[&'static str]) -> FoundSetting {
        self.known.extend(names);
        let first = names.first().copied().unwrap_or_default();
        if let Some(value) = flag {
            let name = format!("--{}", first.trim_start_matches("SITIO_").to_lowercase().replace('_', "-"));
            return FoundSetting { name, value: Some(value), is_secret: false };
        }
        for name in names {
            match self.environment.get(*name).map(|value| value.trim()) {
                None | Some("") => {}
                Some(value) if value.starts_with(SERVICE_LINK) => {
                    self.warnings.push(format!("{name} is passed over: Kubernetes made it from the name of a Service"));
                }
                Some(value) => return FoundSetting { name: (*name).to_owned(), value: Some(value.to_owned()), is_secret: false },
            }
        }
        FoundSetting { name: first.to_owned(), value: None, is_secret: false }
    }

    /// Returns what was ignored: values created by Kubernetes, and `SITIO_` variables that no setting uses.
    pub fn warnings(self) -> Vec<String> {
        let mut warnings = self.warnings;
        let unknown: Vec<&str> = self.environment.keys().map(String::as_str).filter(|name| name.starts_with("SITIO_")).collect();
        let unknown: Vec<&str> = unknown.into_iter().filter(|name| !self.known.contains(name)).collect();
        if !unknown.is_empty() {
            warnings.push(format!("unknown variables are passed over: {}", unknown.join(", ")));
        }
        warnings
    }
}

impl FoundSetting {
    /// Parses the value; `None` if there is none.
    pub fn parse<T>(&self, parse: impl FnOnce(&str) -> Result<T, Expected>) -> Result<Option<T>, Wrong> {
        let Some(value) = &self.value else { return Ok(None) };
        parse(value).map(Some).map_err(|expected| self.not(expected.as_ref()))
    }

    /// Returns an error that says the value is `what`. If the default is invalid, the error says that it is the default.
    pub fn wrong(&self, what: &str) -> Wrong {
        let value = self.value.as_ref().map_or_else(|| "left at its default".to_owned(), |value| self.shown(value));
        Wrong(format!("{} is {value}: that is {what}", self.name))
    }

    /// Marks the setting as secret: errors never show its value.
    #[must_use]
    pub fn secret(mut self) -> Self {
        self.is_secret = true;
        self
    }

    fn not(&self, expected: &dyn Display) -> Wrong {
        let value = self.value.as_deref().unwrap_or_default();
        Wrong(format!("{} is {}: expected {expected}", self.name, self.shown(value)))
    }

    fn shown(&self, value: &str) -> String {
        if self.is_secret { "not shown here".to_owned() } else { format!("{value:?}") }
    }
}

/// The error of a value parser: what it expected.
pub(crate) type Expected = Box<dyn Display>;
