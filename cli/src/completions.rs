//! `sitio completions`: prints the shell script that enables completion.

use anyhow::anyhow;
use clap_complete::Shell;
use clap_complete::env::Shells;

use crate::stdout::say;

/// The environment variable by which a shell requests completions from this program.
pub(crate) const VARIABLE: &str = "SITIO_COMPLETE";

/// Print what a shell needs to complete words of sitio and names of the mesh.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  source <(sitio completions bash)
  sitio completions zsh > ~/.zfunc/_sitio
  sitio completions fish > ~/.config/fish/completions/sitio.fish

Names are asked for at the control plane of SITIO_URL, or of --url on the line; without one, none are offered.
The script belongs to this sitio: print it again after an update.")]
pub(crate) struct CompletionsOptions {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the script.
pub(crate) fn run(options: &CompletionsOptions) -> anyhow::Result<()> {
    say(&script(options.shell)?)
}

/// The completion script for a shell; it runs `sitio` for each word.
fn script(shell: Shell) -> anyhow::Result<String> {
    let shells = Shells::builtins();
    let shell = shells.completer(&shell.to_string()).ok_or_else(|| anyhow!("print completions: {shell} is not known"))?;
    let mut script = Vec::new();
    shell.write_registration(VARIABLE, "sitio", "sitio", "sitio", &mut script)?;
    Ok(String::from_utf8_lossy(&script).into_owned())
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_shell_is_handed_a_script_that_runs_this_program() {
        for shell in Shell::value_variants() {
            let script = script(*shell).unwrap();
            assert!(script.contains(VARIABLE) && script.contains("sitio"), "{shell}: {script}");
        }
    }
}
