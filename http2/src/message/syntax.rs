//! The syntax of field names and values (RFC 9113, sections 8.2 and 8.3.1).

use crate::message::malformed::Malformed;

/// The characters of a token (RFC 9110, section 5.6.2).
static IS_TOKEN: [bool; 256] = characters(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");

/// The characters of a field name: those of a token, without upper-case letters.
static IS_NAME: [bool; 256] = characters(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz");

const fn characters(list: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut at = 0;
    while at < list.len() {
        table[list[at] as usize] = true;
        at += 1;
    }
    table
}

pub(super) fn check_name(name: &[u8]) -> Result<(), Malformed> {
    if name.iter().all(|&byte| IS_NAME[usize::from(byte)]) && !name.is_empty() {
        return Ok(());
    }
    Err(match name {
        [] => Malformed::NameEmpty,
        _ if name.iter().any(u8::is_ascii_uppercase) => Malformed::NameUpperCase,
        _ => Malformed::NameInvalid,
    })
}

pub(super) fn check_value(value: &[u8]) -> Result<(), Malformed> {
    if let [b' ' | b'\t', ..] | [.., b' ' | b'\t'] = value {
        return Err(Malformed::ValueWhitespace);
    }
    // Without an early exit the loop becomes vector instructions.
    let is_invalid = value.iter().fold(false, |found, byte| found | matches!(byte, 0 | b'\r' | b'\n'));
    if is_invalid { Err(Malformed::ValueInvalid) } else { Ok(()) }
}

/// Fields that only make sense for an HTTP/1.1 connection (section 8.2.2).
pub(super) fn check_connection_field(name: &[u8], value: &[u8]) -> Result<(), Malformed> {
    match name {
        b"connection" | b"proxy-connection" | b"keep-alive" | b"transfer-encoding" | b"upgrade" => {
            Err(Malformed::ConnectionField)
        }
        b"te" if value != b"trailers" => Err(Malformed::Te),
        _ => Ok(()),
    }
}

/// Whether the value has neither white space nor control characters.
pub(super) fn is_printable(value: &[u8]) -> bool {
    !value.iter().fold(false, |found, byte| found | matches!(byte, 0..=b' ' | 0x7f))
}

/// RFC 9110, section 5.6.2.
pub(super) fn is_token(value: &[u8]) -> bool {
    !value.is_empty() && value.iter().all(|&byte| IS_TOKEN[usize::from(byte)])
}

/// A status: 100 to 999. RFC 9110, section 15, lets a client treat those from 600 as server errors.
pub(super) fn status(value: &[u8]) -> Option<u16> {
    let &[hundreds @ b'1'..=b'9', tens @ b'0'..=b'9', ones @ b'0'..=b'9'] = value else { return None };
    let digit = |byte: u8| u16::from(byte - b'0');
    Some(100 * digit(hundreds) + 10 * digit(tens) + digit(ones))
}

/// The value of content-length (RFC 9110, section 8.6).
pub(super) fn content_length(value: &[u8]) -> Result<u64, Malformed> {
    let digits = value.iter().all(u8::is_ascii_digit).then_some(value);
    let number = digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    number.ok_or(Malformed::ContentLengthInvalid)
}

/// RFC 3986, section 3.1.
pub(super) fn is_scheme(value: &[u8]) -> bool {
    value.first().is_some_and(u8::is_ascii_alphabetic)
        && value.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}
