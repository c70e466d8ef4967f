//! Tests that pages, messages and logs use standard terms (report, record, caller) instead of a list of unusual words.

use std::path::{Path, PathBuf};
use std::{fs, iter};

/// Words and phrases that pages, messages and logs must not contain.
const PRIVATE: [&str; 13] = [
    "we know",
    "heard from",
    "the book",
    "been calling",
    "nobody",
    "somebody",
    "anybody",
    "whoever",
    "whom",
    "tell",
    "tells",
    "told",
    "written down",
];

/// The folders with user-visible texts.
const FOLDERS: [&str; 7] = [
    "control-plane/src",
    "sidecar/src",
    "cli/src",
    "api/src",
    "format/src",
    "dashboard-assets/templates",
    "dashboard-assets/static",
];

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.map(|entry| entry.expect("the folder can be read").path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// The string literals of more than one word in a source file, without its tests. `quotes` begin and end a literal.
fn literals(source: &str, quotes: &[char]) -> Vec<String> {
    let code = source.split("#[cfg(test)]\nmod").next().unwrap_or_default();
    let mut texts = Vec::new();
    for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
        let mut rest = line;
        while let Some(begin) = rest.find(quotes) {
            let (quote, after) = rest[begin..].split_at(1);
            let mut escaped = false;
            let end = after.find(|letter: char| {
                let ends = quote.starts_with(letter) && !escaped;
                escaped = letter == '\\' && !escaped;
                ends
            });
            let Some(end) = end else { break };
            texts.push(after[..end].to_owned());
            rest = &after[end + 1..];
        }
    }
    texts.retain(|text| text.contains(' '));
    texts
}

/// The visible text of a template, and the attributes that are read aloud or shown on hover.
fn shown(template: &str) -> Vec<String> {
    let mut plain = template.to_owned();
    for (from, to) in [("{#", "#}"), ("{{", "}}"), ("{%", "%}")] {
        while let Some(start) = plain.find(from) {
            let end = plain[start..].find(to).map_or(plain.len(), |end| start + end + to.len());
            plain.replace_range(start..end, "");
        }
    }
    let words = plain.split('<').filter_map(|part| part.split_once('>')).map(|(_, text)| text.to_owned());
    let attribute = |name: &'static str| plain.split(name).skip(1).filter_map(|part| part.split('"').next()).map(str::to_owned);
    let attributes = ["title=\"", "aria-label=\"", "placeholder=\""].into_iter().flat_map(attribute);
    words.chain(attributes).collect()
}

fn is_private(text: &str) -> bool {
    let words = text.split(|letter: char| !letter.is_alphabetic()).filter(|word| !word.is_empty());
    let text = iter::once(" ".to_owned()).chain(words.map(|word| word.to_lowercase() + " ")).collect::<String>();
    PRIVATE.iter().any(|phrase| text.contains(&format!(" {phrase} ")))
}

#[test]
fn pages_and_messages_use_the_words_of_the_field() {
    let mut private = Vec::new();
    for folder in FOLDERS {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for path in files(&root.join(folder)) {
            let name = path.strip_prefix(&root).unwrap_or(&path).to_string_lossy();
            let is_test = name.contains("/tests/") || name.ends_with("tests.rs") || name.ends_with("sample.rs");
            let text = fs::read_to_string(&path).unwrap_or_default();
            let texts = match path.extension().and_then(|extension| extension.to_str()) {
                Some("rs") if !is_test => literals(&text, &['"']),
                Some("js") => literals(&text, &['\'', '"', '`']),
                Some("html") => shown(&text),
                _ => continue,
            };
            private.extend(texts.into_iter().filter(|text| is_private(text)).map(|text| format!("{name}: {text}")));
        }
    }
    assert_eq!(private, Vec::<String>::new());
    let script = literals("// it's\nwrite(`none ${'x'} here`, 'two words', \"a \\\" b\");", &['\'', '"', '`']);
    assert_eq!(script, ["none ${'x'} here", "two words", "a \\\" b"]);
    assert!(is_private("Who has been calling") && is_private("Nobody knows.") && !is_private("all reporting"));
}
