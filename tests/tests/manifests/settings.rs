//! Checks that the variables that a manifest sets are settings of its program.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::document::Document;

/// The `SITIO_` variables that a container sets and its program does not have.
///
/// A program only warns about an unknown variable, because Kubernetes creates such variables itself; so a misspelt one
/// would go unnoticed.
pub(crate) fn unknown(document: &Document) -> Vec<String> {
    let mut faults = Vec::new();
    for container in document.containers() {
        let image = container["image"].as_str().unwrap_or("");
        let variables = container["env"].as_array().into_iter().flatten().filter_map(|variable| variable["name"].as_str());
        let ours: Vec<&str> = variables.filter(|name| name.starts_with("SITIO_")).collect();
        let known = match program(image) {
            Some(program) => settings_of(program),
            None => BTreeSet::new(),
        };
        for name in ours.into_iter().filter(|name| !known.contains(*name)) {
            faults.push(format!("{}: {name} is no setting of {image}", document.place));
        }
    }
    faults
}

/// The folder of the program in one of our images.
fn program(image: &str) -> Option<&'static str> {
    ["sidecar", "control-plane"].into_iter().find(|program| image.contains(&format!("sitio-{program}:")))
}

/// The settings in the program's sources, where each name is a string literal of its own.
fn settings_of(program: &str) -> BTreeSet<String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(program).join("src");
    let mut files = rust_files(&source);
    // The tests name variables that must not exist.
    files.retain(|file| !file.ends_with("tests.rs"));
    let settings: BTreeSet<String> =
        files.iter().filter_map(|file| fs::read_to_string(file).ok()).flat_map(|text| quoted(&text)).collect();
    assert!(settings.contains("SITIO_TOKEN"), "no settings found in {program}/src: have they moved?");
    settings
}

fn quoted(text: &str) -> Vec<String> {
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    let names = text.split("\"SITIO_").skip(1).filter_map(|rest| rest.split_once('"'));
    names
        .map(|(name, _)| format!("SITIO_{name}"))
        .filter(|name| name.bytes().all(|byte| byte == b'_' || byte.is_ascii_uppercase()))
        .collect()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.expect("a folder that opened lists its files").path());
    let files = |path: PathBuf| {
        let is_source = path.extension().is_some_and(|extension| extension == "rs");
        if is_source { vec![path] } else { rust_files(&path) }
    };
    paths.flat_map(files).collect()
}
