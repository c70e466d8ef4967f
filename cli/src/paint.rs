//! Colours, where a terminal shows them and nobody minds.

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

/// Writes words in colour, or plainly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paint {
    /// For a terminal.
    Colours,
    /// For a file, a pipe, or a person who prefers it.
    Plain,
}

impl Paint {
    /// What an output takes: colours on a terminal, unless `NO_COLOR` is set (no-color.org) or the terminal is dumb.
    pub(crate) fn on(output: &impl IsTerminal) -> Self {
        let minds = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let is_dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
        if output.is_terminal() && !minds && !is_dumb { Self::Colours } else { Self::Plain }
    }

    /// What an output takes, unless a person has said otherwise.
    pub(crate) fn when(when: When, output: &impl IsTerminal) -> Self {
        match when {
            When::Auto => Self::on(output),
            When::Always => Self::Colours,
            When::Never => Self::Plain,
        }
    }

    /// What a page begins with.
    pub(crate) fn title(self, words: impl Display) -> String {
        self.sgr("1", words)
    }

    /// An address to open.
    pub(crate) fn link(self, words: impl Display) -> String {
        self.sgr("36;4", words)
    }

    /// A line to type.
    pub(crate) fn typed(self, words: impl Display) -> String {
        self.sgr("36", words)
    }

    /// Good news.
    pub(crate) fn good(self, words: impl Display) -> String {
        self.sgr("32", words)
    }

    /// Bad news.
    pub(crate) fn bad(self, words: impl Display) -> String {
        self.sgr("33", words)
    }

    /// The worst of news.
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
