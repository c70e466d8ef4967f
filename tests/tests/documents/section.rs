//! Compares a generated section of a page in `docs/` with what the programs say now, or writes it anew.

use std::fs;
use std::sync::{Mutex, PoisonError};

use scenario::process::file;

/// The variable that makes the tests write the sections instead of comparing them.
const REFRESH: &str = "UPDATE_DOCS";

/// Two tests may write sections of the same page.
static WRITING: Mutex<()> = Mutex::new(());

/// The last line of every generated section.
const END: &str = "<!-- end of generated text -->";

/// Checks that the section of `page` that was generated from `source` is `expected`.
#[track_caller]
pub(crate) fn check(page: &str, source: &str, expected: &str) {
    let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let path = file("../docs").join(page);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("read docs/{page}: {error}"));
    let begin = format!("<!-- generated from {source} -->\n");
    let parts = text.split_once(&begin).and_then(|(before, rest)| Some((before, rest.split_once(END)?)));
    let (before, (now, after)) = parts.unwrap_or_else(|| panic!("docs/{page} has no section {begin}"));
    let expected = format!("\n{}\n\n", expected.trim());
    if std::env::var_os(REFRESH).is_some() {
        fs::write(&path, format!("{before}{begin}{expected}{END}{after}")).unwrap();
        return;
    }
    let stale = expected.lines().find(|line| !now.lines().any(|known| known == *line));
    assert!(
        now == expected,
        "docs/{page} is stale ({}). Write it anew by `make docs`, and commit it.",
        stale.unwrap_or("it has lines that the program no longer prints")
    );
}

/// A table of Markdown.
pub(crate) fn table(heads: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let escaped = |cells: Vec<String>| cells.iter().map(|cell| cell.replace('|', "\\|").replace('<', "&lt;")).collect();
    let head = line(heads.iter().map(|head| (*head).to_owned()).collect());
    let rule = format!("|{}\n", "---|".repeat(heads.len()));
    [head, rule].into_iter().chain(rows.into_iter().map(|row| line(escaped(row)))).collect()
}
