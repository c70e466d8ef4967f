//! Checks the tables of settings against the programs' definitions of their flags.

use std::process;

use clap::{Arg, Command, CommandFactory};
use control_plane::config::ControlPlaneConfig;
use scenario::process::program;

use crate::section::{check, table};

const HEADS: [&str; 4] = ["variable", "flag", "default", "meaning"];

#[test]
fn the_settings_of_the_control_plane_are_documented() {
    check("settings.md", "control-plane/src/config.rs", &settings(&ControlPlaneConfig::command()));
}

#[test]
fn the_settings_of_the_sidecar_are_documented() {
    let output = process::Command::new(program("sitio-sidecar")).env_clear().arg("-h").output().unwrap();
    let rows = flags(&String::from_utf8(output.stdout).unwrap());
    assert!(rows.len() > 20, "sitio-sidecar -h shows {} settings", rows.len());
    check("settings.md", "sitio-sidecar --help", &table(&HEADS, rows));
}

/// A row for each flag in a help text, which may stand on several lines.
fn flags(help: &str) -> Vec<Vec<String>> {
    let mut entries: Vec<String> = Vec::new();
    for line in help.lines().skip_while(|line| *line != "Options:").map(str::trim).filter(|line| !line.is_empty()) {
        match entries.last_mut() {
            Some(entry) if !line.starts_with('-') => *entry = format!("{entry}  {line}"),
            _ => entries.push(line.to_owned()),
        }
    }
    let rows = entries.iter().filter_map(|entry| {
        let (spec, help) = entry.split_once("  ")?;
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        let (help, variables) = taken_out(&help, "[env: ");
        let (help, default) = taken_out(&help, "[default: ");
        let flag = spec.split_whitespace().find(|word| word.starts_with("--"))?;
        let default = default.unwrap_or_else(|| "none".to_owned());
        Some(vec![names(&variables?), format!("`{flag}`"), default, help.trim().to_owned()])
    });
    rows.collect()
}

/// The variables in `PORT or port`, or in `PORT=` as clap writes it.
fn names(variables: &str) -> String {
    let names = variables.split([',', ' ', '=']).filter(|name| !name.is_empty() && *name != "or");
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// A row for each setting: variable, flag, default, description.
fn settings(command: &Command) -> String {
    let rows = command.get_arguments().filter_map(|arg| {
        let help = arg.get_long_help().or(arg.get_help()).map(ToString::to_string).unwrap_or_default();
        let (help, stated) = taken_out(&help, "[default: ");
        let variable = arg.get_env()?.to_string_lossy();
        let flag = arg.get_long().filter(|_| !arg.is_hide_set()).map(|long| format!("`--{long}`")).unwrap_or_default();
        Some(vec![names(&variable), flag, default(arg).or(stated).unwrap_or_else(|| "none".to_owned()), help])
    });
    table(&HEADS, rows)
}

fn default(arg: &Arg) -> Option<String> {
    let values = arg.get_default_values().iter().filter(|value| !value.is_empty());
    let values: Vec<_> = values.map(|value| format!("`{}`", value.to_string_lossy())).collect();
    (!values.is_empty() && arg.get_action().takes_values()).then(|| values.join(", "))
}

/// The text without the bracket that begins with `opening`, and what is in this bracket.
fn taken_out(text: &str, opening: &str) -> (String, Option<String>) {
    let Some((before, rest)) = text.split_once(opening) else { return (text.to_owned(), None) };
    let (inside, after) = rest.split_once(']').unwrap_or((rest, ""));
    (format!("{}{}", before.trim_end(), after), Some(inside.to_owned()))
}
