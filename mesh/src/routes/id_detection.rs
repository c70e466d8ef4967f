//! Detects path segments that a program generates, such as ids and tokens.

/// Minimum length of a token of letters and digits, in bytes. Longer words rarely contain digits.
const TOKEN_BYTES_MIN: usize = 16;

/// Whether a segment looks generated: a number, a date, an e-mail address, a UUID, a ULID, long
/// hex, a long token, or bytes that are not text.
pub(super) fn is_generated(segment: &str) -> bool {
    let bytes = segment.as_bytes();
    if bytes.contains(&b'%') {
        return is_junk(bytes) || is_email(bytes) || is_date(bytes);
    }
    let digits = bytes.iter().filter(|byte| byte.is_ascii_digit()).count();
    if digits == 0 {
        return is_long_letters(bytes) || is_token(bytes, digits) || is_email(bytes);
    }
    digits == bytes.len()
        || is_number_like(bytes)
        || is_uuid(bytes)
        || is_hex_id(bytes)
        || is_ulid(bytes)
        || is_date(bytes)
        || is_token(bytes, digits)
        || is_signed_token(bytes)
        || is_email(bytes)
}

/// A signed number, such as a telephone number, or a list of numbers: `+4930123456`, `1,2,3`. A
/// version has dots: `1.0`.
fn is_number_like(bytes: &[u8]) -> bool {
    let rest = bytes.strip_prefix(b"+").or_else(|| bytes.strip_prefix(b"-")).unwrap_or(bytes);
    rest.first().is_some_and(u8::is_ascii_digit) && rest.iter().all(|byte| byte.is_ascii_digit() || *byte == b',')
}

/// Hex of eight digits or more, such as a short commit id. A word such as `deadbeef` has no decimal
/// digit and is not passed here.
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

/// `2026-01`, `2026-01-31`, `2026.01.31`, `31.01.2026`, and a date followed by a time of day (RFC 3339).
fn is_date(bytes: &[u8]) -> bool {
    let number = |digits: &[u8]| digits.iter().try_fold(0_u32, |sum, digit| Some(sum * 10 + (*digit as char).to_digit(10)?));
    let is_year = |digits: &[u8]| number(digits).is_some_and(|year| (1900..2200).contains(&year));
    let is_month = |digits: &[u8]| number(digits).is_some_and(|month| (1..=12).contains(&month));
    let is_day = |digits: &[u8]| number(digits).is_some_and(|day| (1..=31).contains(&day));
    match bytes.len() {
        7 => bytes[4] == b'-' && is_year(&bytes[..4]) && is_month(&bytes[5..]),
        10 if bytes[2] == b'.' => bytes[5] == b'.' && is_day(&bytes[..2]) && is_month(&bytes[3..5]) && is_year(&bytes[6..]),
        10.. => {
            let is_whole = matches!((bytes[4], bytes[7]), (b'-', b'-') | (b'.', b'.'))
                && is_year(&bytes[..4])
                && is_month(&bytes[5..7])
                && is_day(&bytes[8..10]);
            // A colon may be escaped as %3A. A slug that begins with a date continues with letters.
            let time = |byte: &u8| byte.is_ascii_digit() || b"Tt:.+-Zz%AB".contains(byte);
            is_whole && matches!(bytes.get(10), None | Some(b'T' | b't')) && bytes[10..].iter().all(time)
        }
        _ => false,
    }
}

/// A local part, an at sign, and a host name with a dot. The at sign may be escaped as %40.
fn is_email(bytes: &[u8]) -> bool {
    let at = bytes.iter().position(|byte| *byte == b'@').map(|at| (at, at + 1));
    let Some((end, from)) = at.or_else(|| bytes.windows(3).position(|three| three == b"%40").map(|at| (at, at + 3))) else {
        return false;
    };
    let (who, host) = (&bytes[..end], &bytes[from..]);
    let dot = host.iter().rposition(|byte| *byte == b'.');
    let named = |byte: &u8| byte.is_ascii_alphanumeric() || b".-".contains(byte);
    !who.is_empty() && dot.is_some_and(|dot| dot > 0 && dot + 2 < host.len()) && host.iter().all(named)
}

/// Base64-like: long, with letters and digits that change their kind as often as in random text.
/// Joined words, such as `StreamEverythingV2`, change about twice a word, which is less often.
fn is_token(bytes: &[u8], digits: usize) -> bool {
    let letters = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_=~+".contains(byte);
    if bytes.len() < TOKEN_BYTES_MIN || !bytes.iter().all(letters) {
        return false;
    }
    let kind = |byte: u8| (byte.is_ascii_uppercase(), byte.is_ascii_lowercase());
    let changes = bytes.windows(2).filter(|pair| kind(pair[0]) != kind(pair[1])).count();
    let mixed = bytes.iter().any(u8::is_ascii_uppercase) && bytes.iter().any(u8::is_ascii_lowercase);
    // In joined words, such as `GetOrderByCustomerId`, no capital follows another; in random text that is rare.
    let is_words = digits == 0 && !bytes.windows(2).any(|pair| pair.iter().all(u8::is_ascii_uppercase));
    // Words separated by hyphens are a slug, even with many numbers among them.
    let is_slug = bytes.split(|byte| b"-_".contains(byte)).count() > 2 && !mixed;
    (!is_slug && digits * 4 >= bytes.len()) || (mixed && !is_words && changes * 5 >= bytes.len() * 2)
}

/// A JSON web token: three parts in base64; the first one begins with an encoded brace (RFC 7519).
fn is_signed_token(bytes: &[u8]) -> bool {
    let letters = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.=".contains(byte);
    bytes.len() >= 2 * TOKEN_BYTES_MIN && bytes.starts_with(b"eyJ") && bytes.iter().all(letters)
}

/// A token without a digit: no word has 32 letters in a row.
fn is_long_letters(bytes: &[u8]) -> bool {
    bytes.len() >= 32 && bytes.iter().all(u8::is_ascii_alphabetic)
}

/// Whether the decoded text is not a name: invalid UTF-8, control characters, or punctuation of program code.
fn is_junk(bytes: &[u8]) -> bool {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, more)) = rest.split_first() {
        let value = more.get(..2).filter(|_| *first == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        let Some(value) = value.and_then(|digits| u8::from_str_radix(digits, 16).ok()) else {
            decoded.push(*first);
            rest = more;
            continue;
        };
        if value.is_ascii_control() || b"<>\"`{}|\\^;=$*".contains(&value) {
            return true;
        }
        decoded.push(value);
        rest = &more[2..];
    }
    std::str::from_utf8(&decoded).is_err()
}
