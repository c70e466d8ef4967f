//! Sign-in sessions: a cookie with its expiry, signed with a random key and bound to the token.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::data_folder;
use crate::token::SecretToken;

/// How long one sign-in lasts: a working day.
pub(super) const SESSION: Duration = Duration::from_secs(12 * 60 * 60);

/// The cookie's name.
pub(super) const COOKIE: &str = "sitio_session";

/// The file with the key, in the data folder.
pub const KEY_FILE: &str = "session.key";

/// Bytes of the key: as many as the hash output has.
const KEY_BYTES: usize = 32;

/// The key that signs sessions. It is random, so that a session reveals nothing about the token. It is stored in the
/// data folder, so that sessions survive a restart. Each signature covers the token: another token ends all sessions.
#[derive(Clone)]
pub struct SessionKey([u8; KEY_BYTES]);

impl SessionKey {
    /// A key that is valid as long as this process.
    pub fn random() -> Self {
        Self(rand::random())
    }

    /// The key in this folder; a new one, if there is none. It does file I/O, so it may block.
    pub fn in_folder(folder: &Path) -> Self {
        let file = folder.join(KEY_FILE);
        match std::fs::read(&file).map(<[u8; KEY_BYTES]>::try_from) {
            Ok(Ok(key)) => return Self(key),
            Ok(Err(_)) => {
                tracing::warn!(file = %file.display(), "the session key is damaged: created a new one, users must sign in again");
            }
            Err(_) => {}
        }
        let key = Self::random();
        if let Err(error) = data_folder::write_private(&file, &key.0) {
            tracing::warn!(%error, file = %file.display(), "the session key could not be stored: users must sign in again after a restart");
        }
        key
    }

    /// A session that begins at `now_s`, seconds since the Unix epoch: its expiry and the signature over it.
    pub(super) fn open(&self, token: &SecretToken, now_s: u64) -> String {
        let ends_s = now_s + SESSION.as_secs();
        format!("{ends_s}.{}", self.signed(token, ends_s))
    }

    /// Whether a session was opened with this key and this token, and has not expired.
    pub(super) fn is_open(&self, token: &SecretToken, session: &str, now_s: u64) -> bool {
        let Some((ends, signature)) = session.split_once('.') else { return false };
        let Ok(ends_s) = ends.parse::<u64>() else { return false };
        // No session lasts longer than one that begins now, even if a clock was wrong before.
        let is_lasting = ends_s > now_s && ends_s <= now_s + SESSION.as_secs();
        is_lasting && SecretToken::new(&self.signed(token, ends_s)).is_some_and(|expected| expected.is(signature))
    }

    fn signed(&self, token: &SecretToken, ends_s: u64) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("a key of any length will do");
        mac.update(format!("session until {ends_s}\0").as_bytes());
        mac.update(token.secret().as_bytes());
        let mut text = String::new();
        for byte in mac.finalize().into_bytes() {
            let _ = write!(text, "{byte:02x}");
        }
        text
    }
}

impl std::fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_holds_for_its_time_and_its_token_and_cannot_be_made_longer() {
        let key = SessionKey::random();
        let (token, other) = (SecretToken::new("s3cret").unwrap(), SecretToken::new("another").unwrap());
        let session = key.open(&token, 1000);
        let last_s = 1000 + SESSION.as_secs() - 1;
        assert!(key.is_open(&token, &session, 1000) && key.is_open(&token, &session, last_s));
        assert!(!key.is_open(&token, &session, last_s + 1), "it is over");
        assert!(!key.is_open(&other, &session, 1000), "the token is another one now");
        assert!(!SessionKey::random().is_open(&token, &session, 1000), "the token alone opens no session");
        let (ends, signature) = session.split_once('.').unwrap();
        let longer = format!("{}.{signature}", ends.parse::<u64>().unwrap() + 1);
        for forged in [&longer, ends, "", ".", &format!("{ends}."), &session[..session.len() - 1], &format!("{session}0")] {
            assert!(!key.is_open(&token, forged, 1001), "{forged:?}");
        }
        assert!(!key.is_open(&token, &key.open(&token, 5000), 1000), "it was opened by a clock that was ahead");
    }

    #[test]
    fn a_session_survives_a_restart_and_its_key_is_private() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let token = SecretToken::new("s3cret").unwrap();
        let session = SessionKey::in_folder(folder.path()).open(&token, 1000);
        assert!(SessionKey::in_folder(folder.path()).is_open(&token, &session, 1000));
        let file = folder.path().join(KEY_FILE);
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&file, "short").unwrap();
        assert!(!SessionKey::in_folder(folder.path()).is_open(&token, &session, 1000), "a damaged key is replaced");
    }
}
