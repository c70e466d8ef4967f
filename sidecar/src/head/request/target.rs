//! Validates the target of a request and its authority, for HTTP/1 and HTTP/2 alike.

use mesh::refusal::RefusalReason;

use crate::head::HeadFault;

/// Splits a target into its authority, if any, and its origin-form (RFC 9112, section 3.2).
pub(super) fn split<'b>(method: &str, path: &'b str) -> Result<(Option<&'b str>, &'b str), HeadFault> {
    if path.starts_with('/') || path == "*" {
        check_path(method, path)?;
        return Ok((None, path));
    }
    check(path)?;
    let (scheme, rest) = path.split_once("://").ok_or(BAD)?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err(BAD);
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at(end);
    // An http URI without a host must be refused (RFC 9110, section 4.2.1).
    if authority.is_empty() || !is_authority(authority.as_bytes()) {
        return Err(BAD);
    }
    match target.as_bytes().first() {
        Some(b'/' | b'?') => Ok((Some(authority), target)),
        // An absolute target with an empty path means the root, or for OPTIONS the server as a whole (RFC
        // 9112, section 3.2.4).
        _ => Ok((Some(authority), if method == "OPTIONS" { "*" } else { "/" })),
    }
}

const BAD: HeadFault = HeadFault::bad(RefusalReason::Target, "the target is neither a path, nor http://…, nor *");

/// Accepts a path with its query, and `*` for OPTIONS.
pub(crate) fn check_path(method: &str, path: &str) -> Result<(), HeadFault> {
    check(path)?;
    let is_whole_server = path == "*" && method == "OPTIONS";
    if path.starts_with('/') || is_whole_server { Ok(()) } else { Err(BAD) }
}

/// Accepts every character that all parsers read as part of the target: visible ASCII except `#`, and
/// letters beyond ASCII. Some parsers start a fragment at `#`. A URI allows fewer characters (RFC 3986,
/// section 2), but clients send more and services accept them. A corrected target could bypass a filter
/// (RFC 9112, section 3.2), so it is forwarded unchanged. White space and control characters beyond ASCII
/// are refused: some parsers split a request line at U+0085 and U+00A0.
fn check(target: &str) -> Result<(), HeadFault> {
    let mut is_ascii = true;
    for byte in target.bytes() {
        match byte {
            b'#' => return Err(HeadFault::bad(RefusalReason::Target, "the target holds #, behind which readers do not agree")),
            0x21..=0x7e => {}
            0x80.. => is_ascii = false,
            _ => return Err(UNPRINTABLE),
        }
    }
    let is_sound = is_ascii || !target.chars().any(|char| char.is_control() || char.is_whitespace());
    if is_sound { Ok(()) } else { Err(UNPRINTABLE) }
}

const UNPRINTABLE: HeadFault = HeadFault::bad(RefusalReason::Target, "the target holds white space or a control character");

/// Whether the value is `host[:port]` without user and password (RFC 3986, section 3.2.2). It may be empty,
/// but not a port alone.
pub(crate) fn is_authority(value: &[u8]) -> bool {
    let (host, port) = match value.iter().rposition(|byte| *byte == b':') {
        Some(colon) if !value[colon..].contains(&b']') => (&value[..colon], Some(&value[colon + 1..])),
        _ => (value, None),
    };
    let is_port = port.is_none_or(|port| !host.is_empty() && port.len() <= 5 && port.iter().all(u8::is_ascii_digit));
    is_port && if let [b'[', inner @ .., b']'] = host { is_address(inner) } else { is_name(host) }
}

/// Whether the text between brackets is an IPv6 address, or has the form of a future IP version.
fn is_address(inner: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(inner) else { return false };
    let is_future = |(version, rest): (&str, &str)| {
        let number = version.strip_prefix(['v', 'V']).unwrap_or_default();
        !number.is_empty()
            && number.bytes().all(|byte| byte.is_ascii_hexdigit())
            && !rest.is_empty()
            && rest.bytes().all(|byte| byte == b':' || is_plain(byte))
    };
    text.parse::<std::net::Ipv6Addr>().is_ok() || text.split_once('.').is_some_and(is_future)
}

/// Whether the text is a registered name or an IPv4 address. A comma is legal there, but two fields joined
/// by another parser look the same.
fn is_name(name: &[u8]) -> bool {
    let mut rest = name;
    while let Some((byte, after)) = rest.split_first() {
        rest = match (byte, after) {
            (b'%', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => after,
            (byte, after) if is_plain(*byte) => after,
            _ => return false,
        };
    }
    true
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+;=".contains(&byte)
}
