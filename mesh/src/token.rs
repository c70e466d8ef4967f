//! The format of an access token, from any source: one line of visible ASCII.

/// Bytes of a token. It is sent in a header, and peers accept some kilobytes of headers.
pub const TOKEN_BYTES_MAX: usize = 4096;

/// The shortest token for a port that other machines can reach: 16 letters of a random text are
/// over 64 bits, which cannot be guessed over a network.
pub const TOKEN_BYTES_MIN: usize = 16;

/// Why a token is invalid. No message contains any part of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAToken {
    /// The text is empty, or only a line end.
    #[error("it is empty")]
    Empty,
    /// The text begins with a byte order mark, as some editors write it.
    #[error("it begins with a byte order mark: save it as plain UTF-8 or ASCII without one")]
    ByteOrderMark,
    /// The text has several lines.
    #[error("it has more than one line: it must be one line with the token alone")]
    Lines,
    /// The text contains a space or a tab.
    #[error("it holds a space or a tab: it must be one line with the token alone")]
    Blank,
    /// The text contains a character that is not valid in a header.
    #[error("it holds something else than printable ASCII")]
    NotAscii,
    /// The text is too long.
    #[error("it is over {TOKEN_BYTES_MAX} bytes")]
    TooLong,
}

/// Returns the token in a text, which may end with a line end as files do.
pub fn token(text: &str) -> Result<&str, NotAToken> {
    if text.starts_with('\u{feff}') {
        return Err(NotAToken::ByteOrderMark);
    }
    let token = text.trim_end_matches(['\r', '\n']);
    match token {
        "" => Err(NotAToken::Empty),
        token if token.len() > TOKEN_BYTES_MAX => Err(NotAToken::TooLong),
        token if token.contains(['\r', '\n']) => Err(NotAToken::Lines),
        token if token.contains([' ', '\t']) => Err(NotAToken::Blank),
        token if !token.bytes().all(|byte| byte.is_ascii_graphic()) => Err(NotAToken::NotAscii),
        token => Ok(token),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_line_of_printable_ascii() {
        for text in ["s3cret", "s3cret\n", "s3cret\r\n", "s3cret\n\n"] {
            assert_eq!(token(text), Ok("s3cret"), "{text:?}");
        }
        for (text, why) in [
            ("", NotAToken::Empty),
            ("\n", NotAToken::Empty),
            ("\u{feff}s3cret", NotAToken::ByteOrderMark),
            ("one\ntwo\n", NotAToken::Lines),
            (" s3cret", NotAToken::Blank),
            ("s3cret ", NotAToken::Blank),
            ("s3\tcret", NotAToken::Blank),
            ("s3\u{1}cret", NotAToken::NotAscii),
            ("schlüssel", NotAToken::NotAscii),
        ] {
            assert_eq!(token(text), Err(why), "{text:?}");
        }
        assert_eq!(token(&"x".repeat(TOKEN_BYTES_MAX + 1)), Err(NotAToken::TooLong));
    }
}
