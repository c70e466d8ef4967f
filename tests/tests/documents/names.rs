//! Checks that every file, setting and metric that a document names exists.

use std::fs;
use std::path::{Path, PathBuf};

use scenario::process::file;

/// The folders that hold documents.
const DOCUMENTS: [&str; 4] = ["", "docs", "bench", "fuzz"];

/// The folders that hold programs and tests.
const PROGRAMS: [&str; 5] = ["cli/src", "control-plane/src", "sidecar/src", "tests/src", "tests/tests"];

fn root() -> PathBuf {
    file("..")
}

/// The documents: their paths from the root, and their texts.
fn documents() -> Vec<(String, String)> {
    let paths = DOCUMENTS.iter().flat_map(|folder| entries(&root().join(folder)));
    let pages = paths.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let pages: Vec<_> = pages.map(|path| (from_root(&path), fs::read_to_string(&path).unwrap())).collect();
    assert!(pages.len() > 10, "the documents were not found");
    pages
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn from_root(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().to_string_lossy().into_owned()
}

/// The text of all programs and tests.
fn sources() -> String {
    let mut folders: Vec<_> = PROGRAMS.iter().map(|folder| root().join(folder)).collect();
    let mut text = String::new();
    while let Some(folder) = folders.pop() {
        for path in entries(&folder) {
            if path.is_dir() {
                folders.push(path);
            } else {
                text += &fs::read_to_string(path).unwrap_or_default();
            }
        }
    }
    text
}

/// The words of these letters in a text.
fn words(text: &str, is_part: impl Fn(char) -> bool) -> Vec<&str> {
    text.split(|letter| !is_part(letter)).filter(|word| !word.is_empty()).collect()
}

/// What stands in backticks, outside of code blocks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    let prose = text.split("```").step_by(2);
    prose.flat_map(|part| part.split('`').skip(1).step_by(2))
}

#[test]
fn every_setting_in_a_document_is_read_by_a_program() {
    let sources = sources();
    let mut unknown = Vec::new();
    for (page, text) in documents() {
        let names = words(&text, |letter| letter == '_' || letter.is_ascii_uppercase() || letter.is_ascii_digit());
        let ours = names.into_iter().filter(|name| name.starts_with("SITIO_") && !name.ends_with('_'));
        let missing = ours.filter(|name| !sources.contains(name));
        unknown.extend(missing.map(|name| format!("{page}: {name}")));
    }
    assert_eq!(unknown, Vec::<String>::new());
}

#[test]
fn every_metric_in_a_document_is_on_a_metrics_page() {
    let reference = fs::read_to_string(root().join("docs/metrics.md")).unwrap();
    let alerts = root().join("deploy/components/monitoring/rules.yaml");
    let alerts = (from_root(&alerts), fs::read_to_string(&alerts).unwrap());
    let mut unknown = Vec::new();
    for (page, text) in documents().into_iter().chain([alerts]) {
        let names = words(&text, |letter| letter == '_' || letter.is_ascii_lowercase() || letter.is_ascii_digit());
        let ours = names.into_iter().filter(|name| name.starts_with("sitio_") && !name.ends_with('_'));
        let missing = ours.filter(|name| !reference.contains(&format!("`{name}`")));
        unknown.extend(missing.map(|name| format!("{page}: {name}")));
    }
    assert_eq!(unknown, Vec::<String>::new());
}

#[test]
fn every_file_in_a_document_exists() {
    let mut missing = Vec::new();
    for (page, text) in documents() {
        let folder = Path::new(&page).parent().unwrap().to_owned();
        let linked = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        let linked = linked.filter(|target| !target.is_empty() && !target.contains("://")).map(|target| folder.join(target));
        let named = quoted(&text).filter(|word| is_path(word)).map(PathBuf::from);
        let absent = linked.chain(named).filter(|path| !root().join(path).exists());
        missing.extend(absent.map(|path| format!("{page}: {}", path.display())));
    }
    assert_eq!(missing, Vec::<String>::new());
}

/// Whether a quoted word is the path of a source file from the root. CONTRIBUTING.md names files that are to be written.
fn is_path(word: &str) -> bool {
    let is_source = Path::new(word).extension().is_some_and(|extension| extension == "rs");
    is_source && word.contains("/src/") && !word.contains("your_") && !word.contains(' ')
}
