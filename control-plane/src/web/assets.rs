//! The style sheet, the scripts and the icon, embedded into the program.

use std::fmt::Write as _;
use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "../dashboard-assets/static"]
struct Static;

/// A file under its own version never changes, so a browser need not ask again.
const FOREVER: &str = "public, max-age=31536000, immutable";

/// Where the files of this build are: `/static/` and a hash over all of them, so that modules that import
/// each other by relative names always come from the same build.
pub fn base() -> &'static str {
    static BASE: LazyLock<String> = LazyLock::new(|| format!("/static/{}", version()));
    &BASE
}

/// `GET /static/{version}/{file}`
pub async fn versioned(Path((asked, file)): Path<(String, String)>, headers: HeaderMap) -> Response {
    // A debug build reads the files from the disk, where they change under an unchanged version.
    let is_current = !cfg!(debug_assertions) && base().ends_with(&asked);
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

fn serve(file: &str, headers: &HeaderMap, cache: &'static str) -> Response {
    let Some(found) = Static::get(file) else {
        return (StatusCode::NOT_FOUND, "no such file\n").into_response();
    };
    let etag = format!("\"{}\"", hex(&found.metadata.sha256_hash()));
    let has_it = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == etag.as_bytes());
    let about = [(header::ETAG, etag), (header::CACHE_CONTROL, cache.to_owned())];
    if has_it {
        return (StatusCode::NOT_MODIFIED, about).into_response();
    }
    let kind = match file.rsplit_once('.').map(|(_, extension)| extension) {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    };
    (about, [(header::CONTENT_TYPE, kind)], found.data.into_owned()).into_response()
}

fn version() -> String {
    let mut files: Vec<_> = Static::iter().collect();
    files.sort_unstable();
    let mut all = 0_u64;
    for file in files.iter().filter_map(|file| Static::get(file)) {
        let hash = file.metadata.sha256_hash();
        let part = u64::from_be_bytes(hash[..8].try_into().expect("the first 8 bytes of 32 are 8 bytes"));
        all = all.rotate_left(7) ^ part;
    }
    format!("{all:016x}")
}

fn hex(hash: &[u8]) -> String {
    hash[..16].iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
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
    fn nothing_outside_is_served() {
        for file in ["../templates/overview.html", "nothing.css", ""] {
            assert_eq!(serve(file, &HeaderMap::new(), "no-cache").status(), StatusCode::NOT_FOUND, "{file}");
        }
    }
}
