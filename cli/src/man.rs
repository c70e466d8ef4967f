//! `sitio man`: prints or writes the manual pages, generated from the command-line help.

use std::path::PathBuf;

use anyhow::Context;
use clap::Command;
use clap_mangen::Man;

use crate::stdout::say;

/// Print the manual's page, or write all pages into a folder.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sitio man | man -l -
  sitio man --dir ~/.local/share/man/man1")]
pub(crate) struct ManOptions {
    /// Write a page for each command into this folder, created if necessary.
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

/// Prints the page or writes all pages.
pub(crate) fn run(options: &ManOptions, sitio: Command) -> anyhow::Result<()> {
    // A page for `sitio help stat` would repeat the one for `sitio stat`.
    let mut sitio = sitio.disable_help_subcommand(true);
    sitio.build();
    let Some(folder) = &options.dir else {
        let mut page = Vec::new();
        Man::new(sitio).render(&mut page).context("write the manual's page")?;
        return say(&String::from_utf8_lossy(&page));
    };
    std::fs::create_dir_all(folder).with_context(|| format!("make the folder {}", folder.display()))?;
    clap_mangen::generate_to(sitio, folder).with_context(|| format!("write the manual into {}", folder.display()))?;
    say(&format!("the manual is in {}; `man -l {}` shows it\n", folder.display(), folder.join("sitio.1").display()))
}
