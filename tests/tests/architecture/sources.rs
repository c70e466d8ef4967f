//! Reads the sources of the workspace.

use std::path::{Path, PathBuf};

/// All crates of the workspace.
pub(crate) const CRATES: [&str; 15] = [
    "api",
    "bench",
    "cli",
    "control-plane",
    "decorators",
    "exposition",
    "format",
    "http2",
    "inject",
    "mesh",
    "openid",
    "platform",
    "proto",
    "sidecar",
    "tests",
];

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every Rust file of the workspace: its path below the root, and its text.
pub(crate) fn sources() -> Vec<(String, String)> {
    let mut folders: Vec<PathBuf> =
        CRATES.iter().flat_map(|name| ["src", "tests", "benches"].map(|part| root().join(name).join(part))).collect();
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
                sources.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(sources.len() > 50, "the sources were not found");
    sources
}

/// The files of a crate without test code and comments: the module of each (`counts/fleet`), and its text.
pub(crate) fn modules(name: &str) -> Vec<(String, String)> {
    let folder = format!("{name}/src/");
    let is_test = |module: &str| module.split('/').any(|part| part == "tests");
    let module = |(file, text): (String, String)| Some((file.strip_prefix(&folder)?.strip_suffix(".rs")?.to_owned(), text));
    sources()
        .into_iter()
        .filter_map(module)
        .filter(|(module, _)| !is_test(module))
        .map(|(name, text)| (name, code(&text)))
        .collect()
}

/// A file without its comments, up to its inline tests.
fn code(text: &str) -> String {
    let tested = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    tested.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}
