//! Finds the value of a setting among flags and variables, and remembers which of them it came from.

use std::collections::BTreeMap;

use crate::config::Expected;

/// Kubernetes makes variables out of the names of Services, and these are their values: `SITIO_ADMIN_PORT=tcp://10.0.0.1:80`.
const SERVICE_LINK: &str = "tcp://";

/// The variables of a process, and which of them were asked for.
#[derive(Debug)]
pub struct Settings {
    environment: BTreeMap<String, String>,
    known: Vec<&'static str>,
    warnings: Vec<String>,
}

/// One setting: what it is called where it was found, and what was found.
#[derive(Debug)]
pub struct Setting {
    name: String,
    value: Option<String>,
    is_secret: bool,
}

/// A setting that makes no sense, in one line.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Wrong(String);

impl Wrong {
    /// What is wrong, in one line.
    pub fn new(why: &str) -> Self {
        Self(why.to_owned())
    }
}

impl Settings {
    /// The variables of a process.
    pub fn new(environment: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { environment: environment.into_iter().collect(), known: Vec::new(), warnings: Vec::new() }
    }

    /// The flag's value, or that of the first of these variables that is set to anything.
    pub fn value(&mut self, flag: Option<String>, names: &[&'static str]) -> Setting {
        self.known.extend(names);
        let first = names.first().copied().unwrap_or_default();
        if let Some(value) = flag {
            let name = format!("--{}", first.trim_start_matches("SITIO_").to_lowercase().replace('_', "-"));
            return Setting { name, value: Some(value), is_secret: false };
        }
        for name in names {
            match self.environment.get(*name).map(|value| value.trim()) {
                None | Some("") => {}
                Some(value) if value.starts_with(SERVICE_LINK) => {
                    self.warnings.push(format!("{name} is passed over: Kubernetes made it from the name of a Service"));
                }
                Some(value) => return Setting { name: (*name).to_owned(), value: Some(value.to_owned()), is_secret: false },
            }
        }
        Setting { name: first.to_owned(), value: None, is_secret: false }
    }

    /// What was passed over: values of Kubernetes' making, and variables of ours that nobody asked for.
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

impl Setting {
    /// What the value means; `None` if there is none.
    pub fn parse<T>(&self, parse: impl FnOnce(&str) -> Result<T, Expected>) -> Result<Option<T>, Wrong> {
        let Some(value) = &self.value else { return Ok(None) };
        parse(value).map(Some).map_err(|expected| self.not(expected.as_ref()))
    }

    /// Says that the value cannot be, because it is `what`. The default is named if it was the default that was wrong.
    pub fn wrong(&self, what: &str) -> Wrong {
        let value = self.value.as_ref().map_or_else(|| "left at its default".to_owned(), |value| self.shown(value));
        Wrong(format!("{} is {value}: that is {what}", self.name))
    }

    /// The same, but its value is never shown.
    #[must_use]
    pub fn secret(mut self) -> Self {
        self.is_secret = true;
        self
    }

    fn not(&self, expected: &dyn std::fmt::Display) -> Wrong {
        let value = self.value.as_deref().unwrap_or_default();
        Wrong(format!("{} is {}: expected {expected}", self.name, self.shown(value)))
    }

    fn shown(&self, value: &str) -> String {
        if self.is_secret { "not shown here".to_owned() } else { format!("{value:?}") }
    }
}
