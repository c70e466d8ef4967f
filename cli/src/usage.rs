//! Prints usage errors in one line, and help in full.

use std::process::ExitCode;

use clap::error::ErrorKind;

use crate::stdout::{beside, say};

/// The exit code for wrong usage.
pub(crate) const USAGE: u8 = 2;

/// Prints clap's message, and returns the exit code.
pub(crate) fn print(error: &clap::Error) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // A closed output is not an error.
            let _ = say(&error.render().to_string());
            ExitCode::SUCCESS
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            beside(error.render().to_string().trim_end());
            ExitCode::from(USAGE)
        }
        _ => refuse(&one_line(&error.render().to_string())),
    }
}

/// Prints a usage error, and returns its exit code.
pub(crate) fn refuse(why: &str) -> ExitCode {
    beside(&format!("sitio: {why}; see sitio --help"));
    ExitCode::from(USAGE)
}

/// The first paragraph without its prefix, on one line: the rest is general advice.
fn one_line(rendered: &str) -> String {
    let paragraph = rendered.split("\n\n").next().unwrap_or_default();
    let paragraph = paragraph.strip_prefix("error: ").unwrap_or(paragraph);
    paragraph.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::one_line;
    use crate::Sitio;

    #[test]
    fn wrong_usage_is_one_line() {
        for (arguments, line) in [
            (vec!["sitio", "dance"], "unrecognized subcommand 'dance'"),
            (vec!["sitio", "demo", "--duration", "soon"], "invalid value 'soon' for '--duration <TIME>': expected number at 0"),
            (
                vec!["sitio", "run", "--port", "8080"],
                "the following required arguments were not provided: --target <PORT> <COMMAND>...",
            ),
        ] {
            let error = Sitio::try_parse_from(arguments).unwrap_err();
            assert_eq!(one_line(&error.render().to_string()), line);
        }
    }
}
