//! Encrypts what a browser keeps, so that nothing can be read or changed there.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Bytes of a cookie's value. Browsers keep cookies of 4,096 bytes with their names and attributes (RFC 6265, section 6.1).
const VALUE_BYTES_MAX: usize = 3800;

/// Encrypts by AES-256-GCM. A random nonce is enough: a key may encrypt four billion cookies (NIST SP 800-38D, section 8.3).
pub(super) struct Sealer {
    key: LessSafeKey,
}

/// What a cookie is for, so that one cannot be used as the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A sign-in that has begun.
    Flow,
    /// A session.
    Session,
}

impl Sealer {
    /// A key that is derived from a secret and from the configuration: a session does not outlive a change of either.
    pub(super) fn new(secret: &[u8], configuration: &str) -> Self {
        let mac = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
        let derived = ring::hmac::sign(&mac, configuration.as_bytes());
        let key = UnboundKey::new(&AES_256_GCM, derived.as_ref()).expect("SHA-256 has the 32 bytes of a key");
        Self { key: LessSafeKey::new(key) }
    }

    /// The value of a cookie; `None` if it would be too large for one.
    pub(super) fn seal(&self, purpose: Purpose, content: &impl Serialize) -> Option<String> {
        let nonce: [u8; NONCE_LEN] = rand::random();
        let mut sealed = serde_json::to_vec(content).ok()?;
        let tag = self.key.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), purpose.aad(), &mut sealed).ok()?;
        let value = BASE64.encode([&nonce[..], &sealed, tag.as_ref()].concat());
        (value.len() <= VALUE_BYTES_MAX).then_some(value)
    }

    /// What was sealed for this purpose by this key.
    pub(super) fn open<T: DeserializeOwned>(&self, purpose: Purpose, value: &str) -> Option<T> {
        if value.len() > VALUE_BYTES_MAX {
            return None;
        }
        let mut bytes = BASE64.decode(value).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk_mut::<NONCE_LEN>()?;
        let content = self.key.open_in_place(Nonce::assume_unique_for_key(*nonce), purpose.aad(), sealed).ok()?;
        serde_json::from_slice(content).ok()
    }
}

impl Purpose {
    fn aad(self) -> Aad<&'static [u8]> {
        Aad::from(match self {
            Self::Flow => b"flow",
            Self::Session => b"session",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_this_key_has_sealed_for_the_purpose_is_opened() {
        let sealer = Sealer::new(&[1; 32], "{}");
        let value = sealer.seal(Purpose::Session, &"vera").unwrap();
        assert!(!value.contains("vera"));
        assert_ne!(value, sealer.seal(Purpose::Session, &"vera").unwrap(), "a nonce is used once");
        let open = |by: &Sealer, purpose, text: &str| by.open::<String>(purpose, text);
        assert_eq!(open(&sealer, Purpose::Session, &value).as_deref(), Some("vera"));
        assert_eq!(open(&sealer, Purpose::Flow, &value), None);
        assert_eq!(open(&Sealer::new(&[2; 32], "{}"), Purpose::Session, &value), None, "another key");
        assert_eq!(open(&Sealer::new(&[1; 32], "{ }"), Purpose::Session, &value), None, "another configuration");
        for at in 0..value.len() {
            let mut changed = value.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(open(&sealer, Purpose::Session, std::str::from_utf8(&changed).unwrap()), None, "{at}");
        }
        for wrong in ["", "A", "AAAA", &value[1..], &"A".repeat(VALUE_BYTES_MAX + 1)] {
            assert_eq!(open(&sealer, Purpose::Session, wrong), None);
        }
        assert_eq!(sealer.seal(Purpose::Session, &"x".repeat(VALUE_BYTES_MAX)), None);
    }
}
