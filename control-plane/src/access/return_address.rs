//! The page to return to after a sign-in: a local path, which stands in queries and in a cookie meanwhile.

/// A local path, so that a sign-in never ends on a page of another site.
pub(super) fn own(next: &str) -> String {
    // Browsers remove tabs and line breaks from an address before they parse it.
    let is_odd = |letter: char| letter == '\\' || letter.is_control();
    let is_ours = next.starts_with('/') && !next.starts_with("//") && !next.contains(is_odd);
    if is_ours { next.to_owned() } else { "/".to_owned() }
}

/// A text in a query, or in a cookie.
pub(super) fn encoded(text: &str) -> String {
    let letter = |byte: u8| {
        let is_plain = byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
        if is_plain { (byte as char).to_string() } else { format!("%{byte:02X}") }
    };
    text.bytes().map(letter).collect()
}

/// Decodes what [`encoded`] has made.
pub(super) fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let digits = std::str::from_utf8(&rest[1..rest.len().min(3)]).ok();
        let code = digits.filter(|_| *byte == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok());
        (bytes, rest) = match code {
            Some(code) => ([bytes, vec![code]].concat(), &rest[3..]),
            None => ([bytes, vec![*byte]].concat(), after),
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
