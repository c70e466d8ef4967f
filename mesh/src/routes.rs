//! Names the endpoint of a request: a pure function of method, path and pins, so that every pod says the same.

use crate::endpoint::ROUTE_BYTES_MAX;
use crate::routes::generated::is_generated;
use crate::routes::normal::{escaped, is_plain_path, normal_form};
use crate::routes::pins::Pins;

mod generated;
mod normal;
pub mod pins;

/// Segments of a path that are told apart. A legitimate path has about six; the rest becomes `…`.
const SEGMENTS_MAX: usize = 24;

/// Writes the route of `path` into `route`, which is cleared first and keeps its room.
///
/// The query is dropped, unreserved characters are decoded and dot segments removed (RFC 3986, section 6.2.2),
/// bytes that a URI cannot hold are escaped, repeated slashes become one, and segments that look generated become `{id}`.
pub fn write_route(path: &str, route: &mut String) {
    write_pinned_route(path, &[], route);
}

/// The same, but a path that a pattern of `pins` recognises has that pattern for its route. The first pins that
/// recognise it have the say.
pub fn write_pinned_route(path: &str, pins: &[&Pins], route: &mut String) {
    route.clear();
    let path = &path[..path.find(['?', '#']).unwrap_or(path.len())];
    if !path.starts_with('/') {
        route.push_str(if path == "*" { "*" } else { "/" });
        return;
    }
    if is_plain_path(path) {
        write_normal(path, pins, route);
    } else {
        write_normal(&normal_form(&escaped(path)), pins, route);
    }
    cut(route);
}

fn write_normal(path: &str, pins: &[&Pins], route: &mut String) {
    match pins.iter().find_map(|pins| pins.find(path)) {
        Some(pattern) => route.push_str(pattern),
        None => write_segments(path, route),
    }
}

/// Whether the path names a file: its last segment ends in an extension that web servers give types for.
pub fn is_file(path: &str) -> bool {
    let path = &path[..path.find(['?', '#']).unwrap_or(path.len())];
    let last = path.rsplit('/').next().unwrap_or_default();
    let Some((name, extension)) = last.rsplit_once('.') else { return false };
    !name.is_empty() && FILE_EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known))
}

/// What static files are called on the web. A list, because `/api/1.0` and `/users/jane.doe` end in a dot and letters too.
const FILE_EXTENSIONS: [&str; 58] = [
    "html", "htm", "xhtml", "css", "js", "mjs", "map", "json", "xml", "txt", "md", "csv", "tsv", "yaml", "yml", "pdf", "png",
    "jpg", "jpeg", "gif", "webp", "avif", "svg", "ico", "bmp", "tif", "tiff", "woff", "woff2", "ttf", "otf", "eot", "mp3", "mp4",
    "m4a", "m4v", "webm", "ogg", "wav", "mov", "avi", "zip", "gz", "tgz", "tar", "bz2", "xz", "7z", "rar", "jar", "war", "wasm",
    "doc", "docx", "xls", "xlsx", "ppt", "pptx",
];

fn write_segments(path: &str, route: &mut String) {
    for (at, segment) in path[1..].split('/').enumerate() {
        route.push('/');
        if at == SEGMENTS_MAX {
            route.push('…');
            return;
        }
        route.push_str(if is_generated(segment) { "{id}" } else { segment });
    }
}

/// Cuts a route that is too long to be told to anybody, on a character's border.
fn cut(route: &mut String) {
    if route.len() > ROUTE_BYTES_MAX {
        route.truncate(route.floor_char_boundary(ROUTE_BYTES_MAX - '…'.len_utf8()));
        route.push('…');
    }
}

#[cfg(test)]
mod tests;
