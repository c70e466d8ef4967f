//! Colours in the output, where the terminal supports them and the user has not turned them off.

use std::env;
use std::fmt::Display;
use std::io::IsTerminal;

/// When to use colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum When {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Into a pipe, too.
    Always,
    /// Not even on a terminal.
    Never,
}

/// Formats text with or without colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColorMode {
    /// With ANSI escape sequences, for a terminal.
    Colours,
    /// Without colours, for a file, a pipe, or by preference.
    Plain,
}

impl ColorMode {
    /// The choice for an output: colours on a terminal, unless `NO_COLOR` is set (no-color.org) or the terminal is
    /// dumb.
    pub(crate) fn on(output: &impl IsTerminal) -> Self {
        let minds = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let is_dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
        if output.is_terminal() && !minds && !is_dumb { Self::Colours } else { Self::Plain }
    }

    /// The choice for an output under the `--color` option.
    pub(crate) fn when(when: When, output: &impl IsTerminal) -> Self {
        match when {
            When::Auto => Self::on(output),
            When::Always => Self::Colours,
            When::Never => Self::Plain,
        }
    }

    /// The title of a page.
    pub(crate) fn title(self, words: impl Display) -> String {
        self.sgr("1", words)
    }

    /// A URL to open.
    pub(crate) fn link(self, words: impl Display) -> String {
        self.sgr("36;4", words)
    }

    /// A command to type.
    pub(crate) fn typed(self, words: impl Display) -> String {
        self.sgr("36", words)
    }

    /// A good result.
    pub(crate) fn good(self, words: impl Display) -> String {
        self.sgr("32", words)
    }

    /// A warning.
    pub(crate) fn bad(self, words: impl Display) -> String {
        self.sgr("33", words)
    }

    /// An error.
    pub(crate) fn worst(self, words: impl Display) -> String {
        self.sgr("31", words)
    }

    fn sgr(self, code: &str, words: impl Display) -> String {
        match self {
            Self::Colours => format!("\x1b[{code}m{words}\x1b[0m"),
            Self::Plain => words.to_string(),
        }
    }
}
