//! `sitio completions`: what a shell needs to complete our words.

use clap::Command;
use clap_complete::{Shell, generate};

use crate::say::say;

/// Print what a shell needs to complete sitio's words.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  source <(sitio completions bash)
  sitio completions zsh > ~/.zfunc/_sitio
  sitio completions fish > ~/.config/fish/completions/sitio.fish")]
pub(crate) struct Options {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints it.
pub(crate) fn run(options: &Options, mut sitio: Command) -> anyhow::Result<()> {
    let mut script = Vec::new();
    generate(options.shell, &mut sitio, "sitio", &mut script);
    say(&String::from_utf8_lossy(&script))
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, ValueEnum};

    use super::*;
    use crate::Sitio;

    #[test]
    fn every_shell_is_told_every_command() {
        for shell in Shell::value_variants() {
            let mut script = Vec::new();
            generate(*shell, &mut Sitio::command(), "sitio", &mut script);
            let script = String::from_utf8(script).unwrap();
            for command in ["stat", "disable", "completions"] {
                assert!(script.contains(command), "{shell} knows nothing of {command}");
            }
        }
    }
}
