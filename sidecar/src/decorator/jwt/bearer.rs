//! Finds the access token of a request (RFC 6750, section 2.1).

use httparse::Header;

/// Bytes of a token. Those of Keycloak with a hundred roles have about four thousand.
pub(super) const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// What a request has in place of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bearer<'a> {
    /// A token that may be verified.
    Token(&'a str),
    /// No token: no `Authorization`, or one of another scheme.
    None,
    /// More than one `Authorization`: service and sidecar could read different ones.
    Several,
    /// A token that cannot be one.
    Malformed(&'static str),
}

/// The token of a request. Tokens in the query or in a form are not looked for: they end up in logs (RFC 6750, section 5.3).
pub(super) fn bearer<'a>(fields: &[Header<'a>]) -> Bearer<'a> {
    let mut credentials = fields.iter().filter(|field| field.name.eq_ignore_ascii_case("authorization"));
    let Some(first) = credentials.next() else { return Bearer::None };
    if credentials.next().is_some() {
        return Bearer::Several;
    }
    let Some((scheme, rest)) = first.value.split_at_checked(6) else { return Bearer::None };
    if !scheme.eq_ignore_ascii_case(b"bearer") || !rest.starts_with(b" ") {
        return Bearer::None;
    }
    let token = rest.trim_ascii();
    if token.len() > TOKEN_BYTES_MAX {
        return Bearer::Malformed("it is too long");
    }
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(byte);
    match std::str::from_utf8(token) {
        // A signed token has three parts (RFC 7515, section 3.1).
        Ok(text) if token.iter().all(is_token) && text.matches('.').count() == 2 => Bearer::Token(text),
        _ => Bearer::Malformed("it is no signed token"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found<'a>(values: &[&'a [u8]]) -> Bearer<'a> {
        bearer(&values.iter().map(|value| Header { name: "AUTHORIZATION", value }).collect::<Vec<_>>())
    }

    #[test]
    fn only_one_field_with_one_token_of_three_parts_is_taken() {
        assert_eq!(found(&[b"Bearer a.b.c"]), Bearer::Token("a.b.c"));
        assert_eq!(found(&[b"bearer  a.b.c"]), Bearer::Token("a.b.c"));
        for none in [&b"Basic YTpi"[..], b"", b"Bear", b"Bearer", b"Bearera.b.c", b"Bearer\ta.b.c"] {
            assert_eq!(found(&[none]), Bearer::None, "{none:?}");
        }
        assert_eq!(found(&[b"Bearer a.b.c", b"Bearer a.b.c"]), Bearer::Several);
        for wrong in [
            &b"Bearer a.b"[..],
            b"Bearer a.b.c.d",
            b"Bearer ...",
            b"Bearer a.b.c,d",
            b"Bearer a b.c.d",
            b"Bearer \xff..",
            b"Bearer ",
        ] {
            assert_eq!(found(&[wrong]), Bearer::Malformed("it is no signed token"), "{wrong:?}");
        }
        let long = ["Bearer ", &"a".repeat(TOKEN_BYTES_MAX + 1)].concat();
        assert_eq!(found(&[long.as_bytes()]), Bearer::Malformed("it is too long"));
    }
}
