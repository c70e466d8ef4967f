//! Who has signed in: a cookie that tells until when, signed with the token, so that a restart signs nobody out.

use std::fmt::Write;
use std::time::Duration;

use axum::http::{HeaderMap, header};

use crate::token::Token;

/// How long one sign-in lasts: a working day.
pub(super) const SESSION: Duration = Duration::from_secs(12 * 60 * 60);

/// The cookie's name.
pub(super) const COOKIE: &str = "sitio_session";

/// A session that begins now, in seconds since the Unix epoch: its end, and that signed.
pub(super) fn open(token: &Token, now_s: u64) -> String {
    let ends_s = now_s + SESSION.as_secs();
    format!("{ends_s}.{}", signed(token, ends_s))
}

/// Whether a session was opened with this token, and has not ended.
pub(super) fn is_open(token: &Token, session: &str, now_s: u64) -> bool {
    let Some((ends, signature)) = session.split_once('.') else { return false };
    let Ok(ends_s) = ends.parse::<u64>() else { return false };
    // None lasts longer than one that begins now, whatever a clock has said.
    let is_lasting = ends_s > now_s && ends_s <= now_s + SESSION.as_secs();
    is_lasting && Token::new(&signed(token, ends_s)).is_some_and(|expected| expected.is(signature))
}

fn signed(token: &Token, ends_s: u64) -> String {
    let mut text = String::new();
    for byte in token.sign(&format!("session until {ends_s}")) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The session that a request names (RFC 6265, section 4.2).
pub(super) fn cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|cookies| cookies.to_str().ok());
    let mut pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, session)| session)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_holds_for_its_time_and_its_token_and_cannot_be_made_longer() {
        let (token, other) = (Token::new("s3cret").unwrap(), Token::new("another").unwrap());
        let session = open(&token, 1000);
        let last_s = 1000 + SESSION.as_secs() - 1;
        assert!(is_open(&token, &session, 1000) && is_open(&token, &session, last_s));
        assert!(!is_open(&token, &session, last_s + 1), "it is over");
        assert!(!is_open(&other, &session, 1000), "the token is another one now");
        let (ends, signature) = session.split_once('.').unwrap();
        let longer = format!("{}.{signature}", ends.parse::<u64>().unwrap() + 1);
        for forged in [&longer, ends, "", ".", &format!("{ends}."), &session[..session.len() - 1], &format!("{session}0")] {
            assert!(!is_open(&token, forged, 1001), "{forged:?}");
        }
        assert!(!is_open(&token, &open(&token, 5000), 1000), "it was opened by a clock that was ahead");
    }
}
