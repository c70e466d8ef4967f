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
pub(crate) fn run(options: &Options, sitio: Command) -> anyhow::Result<()> {
    say(&script(options.shell, &sitio))
}

/// What a shell reads. The library would tell the hidden commands, too, so they are left out before.
fn script(shell: Shell, sitio: &Command) -> String {
    let commands = sitio.get_subcommands().filter(|command| !command.is_hide_set());
    let mut shown = Command::new("sitio").version(env!("CARGO_PKG_VERSION"));
    shown = shown.args(sitio.get_arguments()).subcommands(commands);
    let mut script = Vec::new();
    generate(shell, &mut shown, "sitio", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, ValueEnum};

    use super::*;
    use crate::Sitio;

    #[test]
    fn every_shell_is_told_every_command_but_the_hidden_one() {
        for shell in Shell::value_variants() {
            let script = script(*shell, &Sitio::command());
            assert!(!script.contains("Run the control plane of a demo") && !script.contains("man control-plane"), "{shell}");
            for command in ["stat", "disable", "completions"] {
                assert!(script.contains(command), "{shell} knows nothing of {command}");
            }
        }
    }
}
