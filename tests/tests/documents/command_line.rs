//! Checks the reference of the `sitio` command against its help texts.

use std::fmt::Write;
use std::process::Command;

use scenario::process::program;

use crate::section::check;

#[test]
fn the_commands_are_documented() {
    let overview = help(&["-h"]);
    let commands = overview.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let mut reference = String::new();
    for name in commands.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help") {
        write!(reference, "### sitio {name}\n\n```text\n{}\n```\n\n", own_part(&help(&[name, "-h"]))).unwrap();
    }
    check("command-line.md", "sitio --help", &reference);
}

/// The indent of an option that has no short form.
const OPTION_INDENT_MAX: usize = 6;

/// The help text without the options that all commands share; the page lists these once.
fn own_part(help: &str) -> String {
    let mut own = String::new();
    let mut is_shared = false;
    let mut is_shared_option = false;
    for line in help.lines() {
        if line == "Control plane:" {
            is_shared = true;
        } else if !line.starts_with(' ') && !line.is_empty() {
            is_shared = false;
        }
        let words = line.trim_start();
        // The description of an option may go on for several lines, further right than any option begins.
        let goes_on = line.len() - words.len() > OPTION_INDENT_MAX;
        is_shared_option = words.starts_with("--color") || words.starts_with("-h, --help") || (is_shared_option && goes_on);
        if !is_shared && !is_shared_option {
            own += line;
            own.push('\n');
        }
    }
    own.replace("\nOptions:\n\n", "\n").trim().replace("\n\n\n", "\n\n")
}

fn help(arguments: &[&str]) -> String {
    let output = Command::new(program("sitio")).env_clear().args(arguments).output().unwrap();
    assert!(output.status.success(), "sitio {arguments:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
