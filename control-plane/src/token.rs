//! The secret that clients from beyond this machine must send.

use std::fmt;
use std::hint::black_box;
use std::sync::Arc;

/// A secret. It is never printed. The time of a comparison does not show how much of a guess was
/// right.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretToken(Arc<str>);

impl SecretToken {
    /// A token, unless the text is empty.
    pub fn new(secret: &str) -> Option<Self> {
        let secret = secret.trim();
        (!secret.is_empty()).then(|| Self(secret.into()))
    }

    /// Whether this is the secret.
    pub fn is(&self, guess: &str) -> bool {
        let (secret, guess) = (self.0.as_bytes(), guess.as_bytes());
        let pairs = secret.iter().zip(guess.iter().chain(std::iter::repeat(&0)));
        // All of the secret is compared, whatever the guess; only the comparison of the lengths is
        // not constant-time.
        let difference = pairs.fold(0_u8, |difference, (a, b)| black_box(difference | (a ^ b)));
        difference == 0 && secret.len() == guess.len()
    }

    /// Its length in bytes.
    pub fn bytes(&self) -> usize {
        self.0.len()
    }

    /// The secret itself.
    pub(crate) fn secret(&self) -> &str {
        &self.0
    }

    /// The bearer token in an `Authorization` header (RFC 6750, section 2.1).
    pub fn shown_in(authorization: &str) -> Option<&str> {
        let (scheme, shown) = authorization.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| shown.trim())
    }
}

impl fmt::Debug for SecretToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_secret_is_the_secret() {
        let token = SecretToken::new(" s3cret\n").unwrap();
        assert!(token.is("s3cret"));
        assert_eq!((SecretToken::shown_in("Bearer a"), SecretToken::shown_in("bearer a")), (Some("a"), Some("a")));
        for guess in ["", "s", "s3cre", "s3cret\0", "s3cret1", "S3cret"] {
            assert!(!token.is(guess), "{guess:?}");
        }
        assert_eq!(
            (SecretToken::shown_in("a"), SecretToken::shown_in("Basic a"), SecretToken::shown_in("Bearer")),
            (None, None, None)
        );
        assert_eq!(SecretToken::new("  "), None);
        assert_eq!(format!("{token:?}"), "Token(…)");
    }
}
