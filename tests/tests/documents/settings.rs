//! Checks the tables of settings against the programs' definitions of their flags.

use clap::{Arg, Command, CommandFactory};
use control_plane::config::ControlPlaneConfig;
use sidecar::config::Flags;

use crate::section::{check, table};

#[test]
fn the_settings_of_the_control_plane_are_documented() {
    check("settings.md", "control-plane/src/config.rs", &settings(&ControlPlaneConfig::command()));
}

#[test]
fn the_settings_of_the_sidecar_are_documented() {
    check("settings.md", "sidecar/src/config.rs", &settings(&Flags::command()));
}

/// A row for each setting: variable, flag, default, description.
fn settings(command: &Command) -> String {
    let rows = command.get_arguments().filter_map(|arg| {
        let help = arg.get_long_help().or(arg.get_help()).map(ToString::to_string).unwrap_or_default();
        let (help, variables) = taken_out(&help, "[env: ");
        let (help, stated) = taken_out(&help, "[default: ");
        let variable = arg.get_env().map(|name| name.to_string_lossy().into_owned()).or(variables)?;
        let flag = arg.get_long().filter(|_| !arg.is_hide_set()).map(|long| format!("`--{long}`")).unwrap_or_default();
        let names: Vec<_> = variable.split([',', ' ']).filter(|name| !name.is_empty() && *name != "or").collect();
        let names = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        Some(vec![names, flag, default(arg).or(stated).unwrap_or_else(|| "none".to_owned()), help])
    });
    table(&["variable", "flag", "default", "meaning"], rows)
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
