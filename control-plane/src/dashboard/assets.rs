//! Serves the style sheet, the scripts and the icons, embedded into the binary.

use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use mesh::stable_hash::stable_hash;
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "../dashboard-assets/static"]
struct Static;

/// Names of the files that pages load.
const SERVED: [&str; 7] = ["tap.js", "sitio.css", "sitio.js", "stream.js", "mark.svg", "mark-warn.svg", "mark-bad.svg"];

/// Path prefix of the files. Requests below it need no sign-in.
pub const FOLDER: &str = "/static/";

/// Path of the icon that browsers request by themselves. It needs no sign-in either.
pub const ICON: &str = "/favicon.svg";

/// A file under its version never changes, so a browser need not ask again.
const FOREVER: &str = "public, max-age=31536000, immutable";

/// A file ready to send.
#[derive(Debug, Clone)]
struct AssetFile {
    body: Bytes,
    etag: String,
}

/// Base path of this build's files, relative to the root: `static/` and a hash over all files.
pub fn base() -> &'static str {
    static BASE: LazyLock<String> = LazyLock::new(|| format!("static/{}", version()));
    &BASE
}

/// A hash over all files that pages load.
pub fn version() -> &'static str {
    static VERSION: LazyLock<String> =
        LazyLock::new(|| hex(stable_hash(SERVED.iter().flat_map(|name| made(name).unwrap_or_default()))));
    &VERSION
}

/// `GET /static/{version}/{file}`
pub async fn versioned(Path((asked, file)): Path<(String, String)>, headers: HeaderMap) -> Response {
    // A debug build reads the files from disk, where they change under an unchanged version.
    let is_current = !cfg!(debug_assertions) && asked == version();
    serve(&file, &headers, if is_current { FOREVER } else { "no-cache" })
}

/// `GET /static/{file}`
pub async fn unversioned(Path(file): Path<String>, headers: HeaderMap) -> Response {
    serve(&file, &headers, "no-cache")
}

/// `GET /favicon.svg`
pub async fn favicon(headers: HeaderMap) -> Response {
    serve("mark.svg", &headers, "no-cache")
}

fn serve(name: &str, headers: &HeaderMap, cache: &'static str) -> Response {
    let Some(file) = file(name) else {
        return no_such_file();
    };
    let has_it = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == file.etag.as_bytes());
    let about = [(header::ETAG, file.etag), (header::CACHE_CONTROL, cache.to_owned())];
    if has_it {
        return (StatusCode::NOT_MODIFIED, about).into_response();
    }
    let kind = match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        _ => "image/svg+xml",
    };
    (about, [(header::CONTENT_TYPE, kind)], file.body).into_response()
}

/// The 404 response below [`FOLDER`]. It reveals nothing, because the folder needs no sign-in.
pub fn no_such_file() -> Response {
    (StatusCode::NOT_FOUND, "no such file\n").into_response()
}

/// The file with this name. Built once; in a debug build for each request, because sources change.
fn file(name: &str) -> Option<AssetFile> {
    static FILES: LazyLock<HashMap<&str, AssetFile>> =
        LazyLock::new(|| SERVED.iter().filter_map(|name| Some((*name, fresh(name)?))).collect());
    if cfg!(debug_assertions) { SERVED.contains(&name).then(|| fresh(name))? } else { FILES.get(name).cloned() }
}

fn fresh(name: &str) -> Option<AssetFile> {
    let body = made(name)?;
    Some(AssetFile { etag: format!("\"{}\"", hex(stable_hash(body.iter().copied()))), body: body.into() })
}

/// The bytes to send for a file.
fn made(name: &str) -> Option<Vec<u8>> {
    match name {
        "sitio.js" | "tap.js" | "stream.js" => {
            let mut script = String::new();
            append_module(name, &mut BTreeSet::new(), &mut script);
            Some(script.into_bytes())
        }
        _ => Some(Static::get(name)?.data.into_owned()),
    }
}

/// Appends a module to a script, after the modules that it imports, each once: one file is a single request. It
/// supports only what our files use: an import is one line, and top-level names are unique over all files.
fn append_module(name: &str, seen: &mut BTreeSet<String>, script: &mut String) {
    if !seen.insert(name.to_owned()) {
        return;
    }
    let text = text(name).unwrap_or_default();
    for import in text.lines().filter(|line| line.starts_with("import ")) {
        let imported = import.split("'./").nth(1).and_then(|rest| rest.split('\'').next());
        append_module(imported.unwrap_or_default(), seen, script);
    }
    for line in text.lines().filter(|line| !line.starts_with("import ")) {
        script.push_str(line.strip_prefix("export ").unwrap_or(line));
        script.push('\n');
    }
}

fn text(name: &str) -> Option<String> {
    String::from_utf8(Static::get(name)?.data.into_owned()).ok()
}

fn hex(hash: u64) -> String {
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_with_their_type_and_are_sent_once() {
        let first = serve("sitio.css", &HeaderMap::new(), "no-cache");
        assert_eq!(first.headers()[header::CONTENT_TYPE], "text/css; charset=utf-8");

        let mut known = HeaderMap::new();
        known.insert(header::IF_NONE_MATCH, first.headers()[header::ETAG].clone());
        assert_eq!(serve("sitio.css", &known, "no-cache").status(), StatusCode::NOT_MODIFIED);
    }

    #[test]
    fn nothing_else_is_served() {
        for file in ["../templates/overview.html", "nothing.css", "cells.js", ""] {
            assert_eq!(serve(file, &HeaderMap::new(), "no-cache").status(), StatusCode::NOT_FOUND, "{file}");
        }
    }

    #[test]
    fn each_file_that_pages_name_is_there() {
        for name in SERVED {
            assert!(!made(name).unwrap().is_empty(), "{name}");
        }
    }

    #[test]
    fn a_script_is_its_modules_after_what_they_import_and_once() {
        let script = String::from_utf8(made("sitio.js").unwrap()).unwrap();
        for name in ["function startPage(", "const $ = ", "function set("] {
            assert_eq!(script.matches(name).count(), 1, "{name}");
        }
        assert!(script.find("const $ = ") < script.find("function startPage("));
        assert!(!script.lines().any(|line| line.starts_with("import ") || line.starts_with("export ")));
    }

    #[test]
    fn no_two_files_use_the_same_name_at_their_top() {
        let mut seen = HashMap::new();
        for module in Static::iter().filter(|module| module.ends_with(".js")) {
            let text = text(&module).unwrap();
            for line in text.lines() {
                let line = line.strip_prefix("export ").unwrap_or(line);
                let line = line.strip_prefix("async ").unwrap_or(line);
                let declared = ["const ", "let ", "function "].iter().find_map(|word| line.strip_prefix(word));
                let Some(name) = declared.and_then(|rest| rest.split(['(', ' ', '=', ';']).next()) else { continue };
                if let Some(other) = seen.insert(name.to_owned(), module.to_string()) {
                    panic!("{name} stands at the top of {other} and {module}");
                }
            }
        }
    }
}
