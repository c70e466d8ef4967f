//! Brings the many spellings of a path to one.

/// Whether nothing in the path needs decoding or removing; true of nearly every request.
pub(super) fn is_plain(path: &str) -> bool {
    let bytes = path.as_bytes();
    !bytes.contains(&b'%') && !bytes.windows(2).any(|pair| pair == b"//" || pair == b"/.")
}

/// The one spelling of a path that stands for all of them (RFC 3986, section 6.2.2), with repeated slashes made one.
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
