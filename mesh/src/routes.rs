//! Names the endpoint of a request: a pure function of method and path, so that every pod says the same.

use crate::endpoint::ROUTE_BYTES_MAX;

/// Segments of a path that are told apart. A legitimate path has about six; the rest becomes `…`.
const SEGMENTS_MAX: usize = 24;

/// Writes the route of `path` into `route`, which is cleared first and keeps its room.
///
/// The query is dropped, unreserved characters are decoded and dot segments removed (RFC 3986, section 6.2.2),
/// repeated slashes become one, and segments that look generated become `{id}`.
pub fn write_route(path: &str, route: &mut String) {
    route.clear();
    let path = &path[..path.find(['?', '#']).unwrap_or(path.len())];
    if !path.starts_with('/') {
        route.push_str(if path == "*" { "*" } else { "/" });
        return;
    }
    if is_plain(path) {
        write_segments(path, route);
    } else {
        write_segments(&normal_form(path), route);
    }
    cut(route);
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

/// Whether nothing in the path needs decoding or removing; true of nearly every request.
fn is_plain(path: &str) -> bool {
    let bytes = path.as_bytes();
    !bytes.contains(&b'%') && !bytes.windows(2).any(|pair| pair == b"//" || pair == b"/.")
}

fn normal_form(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let decoded = decode_unreserved(path);
    let mut segments = decoded.split('/').skip(1).peekable();
    let mut ends_open = false;
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "" | "." => ends_open = is_last,
            ".." => {
                kept.pop();
                ends_open = is_last;
            }
            segment => kept.push(segment),
        }
    }
    let mut normal = String::with_capacity(decoded.len());
    for segment in &kept {
        normal.push('/');
        normal.push_str(segment);
    }
    if ends_open || kept.is_empty() {
        normal.push('/');
    }
    normal
}

/// Decodes `%41` to `A` and the like; what is not unreserved stays encoded, with capital digits.
fn decode_unreserved(path: &str) -> String {
    let bytes = path.as_bytes();
    let mut decoded = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        decoded.push_str(&rest[..at]);
        let from = bytes.len() - rest.len() + at;
        let digits = bytes.get(from + 1..from + 3).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let Some(digits) = digits else {
            decoded.push_str("%25"); // A stray sign means itself, and says so from here on.
            rest = &rest[at + 1..];
            continue;
        };
        let value = digits.iter().fold(0_u8, |value, digit| value << 4 | (*digit as char).to_digit(16).unwrap_or(0) as u8);
        if value.is_ascii_alphanumeric() || b"-._~".contains(&value) {
            decoded.push(value as char);
        } else {
            decoded.push('%');
            decoded.extend(digits.iter().map(|digit| digit.to_ascii_uppercase() as char));
        }
        rest = &rest[at + 3..];
    }
    decoded.push_str(rest);
    decoded
}

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

/// Whether a segment looks as if a program had made it: a number, a UUID, a ULID, long hex, a long token.
fn is_generated(segment: &str) -> bool {
    let bytes = segment.as_bytes();
    if bytes.is_empty() {
        return false;
    }
    let digits = bytes.iter().filter(|byte| byte.is_ascii_digit()).count();
    if digits == 0 {
        return is_long_letters(bytes);
    }
    digits == bytes.len() || is_uuid(bytes) || is_hex_id(bytes) || is_ulid(bytes) || is_token(bytes, digits)
}

/// Hex of eight digits or more, such as a short commit id; a word such as `deadbeef` has no digit and is not asked.
fn is_hex_id(bytes: &[u8]) -> bool {
    bytes.len() >= 8 && bytes.iter().all(u8::is_ascii_hexdigit)
}

fn is_uuid(bytes: &[u8]) -> bool {
    bytes.len() == 36
        && bytes.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// 26 characters of Crockford's base 32, the first at most 7 (ULID specification).
fn is_ulid(bytes: &[u8]) -> bool {
    let crockford = |byte: &u8| byte.is_ascii_digit() || (byte.is_ascii_alphabetic() && !b"ILOUilou".contains(byte));
    bytes.len() == 26 && bytes[0] <= b'7' && bytes.iter().all(crockford)
}

/// Base64-like: long, of letters and digits that change their kind as often as chance makes them. Words run together,
/// such as `StreamEverythingV2`, change about twice a word, which is less.
fn is_token(bytes: &[u8], digits: usize) -> bool {
    let letters = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_=~+".contains(byte);
    if bytes.len() < 16 || !bytes.iter().all(letters) {
        return false;
    }
    let kind = |byte: u8| (byte.is_ascii_uppercase(), byte.is_ascii_lowercase());
    let changes = bytes.windows(2).filter(|pair| kind(pair[0]) != kind(pair[1])).count();
    let mixed = bytes.iter().any(u8::is_ascii_uppercase) && bytes.iter().any(u8::is_ascii_lowercase);
    digits * 4 >= bytes.len() || (mixed && changes * 20 >= bytes.len() * 9)
}

/// A token without a single digit: no word has 32 letters in a row.
fn is_long_letters(bytes: &[u8]) -> bool {
    bytes.len() >= 32 && bytes.iter().all(u8::is_ascii_alphabetic)
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
