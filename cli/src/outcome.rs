//! How to print what came of a command: in words, or for programs.

use clap::ValueEnum;
use serde::Serialize;

/// How to print it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    // Whoever has got used to it for lists may say so here.
    #[value(alias = "wide")]
    Table,
    /// As the API tells it.
    Json,
    /// The same as YAML.
    Yaml,
}

impl Output {
    /// Prints it for programs, or in these words.
    pub(crate) fn told<T: Serialize>(self, answer: &T, words: impl FnOnce() -> String) -> anyhow::Result<String> {
        Ok(match self {
            Self::Table => words(),
            Self::Json => format!("{}\n", serde_json::to_string_pretty(answer)?),
            Self::Yaml => yaml(answer)?,
        })
    }
}

/// The same as the JSON, as YAML. Taken straight from the type, a choice would be a tag (`!disable`), which few readers know.
pub(crate) fn yaml(answer: &impl Serialize) -> anyhow::Result<String> {
    Ok(serde_norway::to_string(&serde_json::to_value(answer)?)?)
}
