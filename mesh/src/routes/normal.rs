//! Normalizes paths, so that all spellings of a path have one form.

/// Bytes that clients send unescaped although a URI cannot contain them (RFC 3986, section 2).
/// Servers treat them and their escapes alike. `|` is also invalid, but existing endpoint names
/// contain it unescaped.
const ESCAPED: &[u8] = b"\"<>\\^`{}";

/// For each byte, whether a route keeps it unchanged.
static STANDS: [bool; 256] = {
    let mut stands = [true; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut at = 0;
        while at < ESCAPED.len() {
            stands[byte] &= byte != ESCAPED[at] as usize;
            at += 1;
        }
        stands[byte] &= byte != b'%' as usize && byte < 0x80;
        byte += 1;
    }
    stands
};

/// Whether a pattern needs no decoding and no removing.
pub(super) fn is_plain(pattern: &str) -> bool {
    let bytes = pattern.as_bytes();
    !bytes.contains(&b'%') && !has_empty_or_dot(bytes)
}

/// Whether a path needs no decoding, escaping or removing; true of nearly every request.
pub(super) fn is_plain_path(path: &str) -> bool {
    let bytes = path.as_bytes();
    bytes.iter().all(|byte| STANDS[usize::from(*byte)]) && !has_empty_or_dot(bytes)
}

fn has_empty_or_dot(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|pair| pair == b"//" || pair == b"/.")
}

/// Escapes bytes that a URI cannot contain, so that `/a^b` and `/a%5Eb` have one name. A path that
/// contains the braces of a placeholder does not get the name of the placeholder.
pub(super) fn escaped(text: &str) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut escaped = String::with_capacity(text.len() + 16);
    for byte in text.bytes() {
        if byte == b'%' || STANDS[usize::from(byte)] {
            escaped.push(char::from(byte));
        } else {
            escaped.push('%');
            escaped.extend([byte >> 4, byte & 0xf].map(|digit| char::from(DIGITS[usize::from(digit)])));
        }
    }
    escaped
}

/// The normal form of a path (RFC 3986, section 6.2.2), with repeated slashes merged.
pub(super) fn normal_form(path: &str) -> String {
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

/// Decodes `%41` to `A` and the like. Bytes that are not unreserved stay encoded, with upper-case digits.
fn decode_unreserved(path: &str) -> String {
    let bytes = path.as_bytes();
    let mut decoded = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        decoded.push_str(&rest[..at]);
        let from = bytes.len() - rest.len() + at;
        let digits = bytes.get(from + 1..from + 3).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let Some(digits) = digits else {
            decoded.push_str("%25"); // A stray percent sign is literal and is escaped.
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

/// Segments of a path that a route keeps. A legitimate path has about six; the rest becomes `…`.
pub(crate) const SEGMENTS_MAX: usize = 24;
