//! The secret that whoever is not on this machine must know.

use std::fmt;
use std::hint::black_box;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// A secret. It is never printed, and compared without telling by the time it takes how much of a guess was right.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Arc<str>);

impl Token {
    /// A token, if there is anything to it.
    pub fn new(secret: &str) -> Option<Self> {
        let secret = secret.trim();
        (!secret.is_empty()).then(|| Self(secret.into()))
    }

    /// Whether this is the secret.
    pub fn is(&self, guess: &str) -> bool {
        let (secret, guess) = (self.0.as_bytes(), guess.as_bytes());
        let pairs = secret.iter().zip(guess.iter().chain(std::iter::repeat(&0)));
        // All of the secret is looked at, whatever the guess; only the length of the guess is compared in the open.
        let difference = pairs.fold(0_u8, |difference, (a, b)| black_box(difference | (a ^ b)));
        difference == 0 && secret.len() == guess.len()
    }

    /// A signature of a text, which nobody can make who does not know the secret (HMAC-SHA-256, RFC 2104).
    pub fn sign(&self, text: &str) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.as_bytes()).expect("a key of any length will do");
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().into()
    }

    /// Whether an `Authorization` header brings the secret (RFC 6750, section 2.1).
    pub fn is_in(&self, authorization: &str) -> bool {
        let Some((scheme, guess)) = authorization.split_once(' ') else { return false };
        scheme.eq_ignore_ascii_case("bearer") && self.is(guess.trim())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_secret_is_the_secret() {
        let token = Token::new(" s3cret\n").unwrap();
        assert!(token.is("s3cret") && token.is_in("Bearer s3cret") && token.is_in("bearer s3cret"));
        for guess in ["", "s", "s3cre", "s3cret\0", "s3cret1", "S3cret"] {
            assert!(!token.is(guess), "{guess:?}");
        }
        assert!(!token.is_in("s3cret") && !token.is_in("Basic s3cret") && !token.is_in("Bearer"));
        assert_eq!(Token::new("  "), None);
        assert_eq!(format!("{token:?}"), "Token(…)");
    }
}
