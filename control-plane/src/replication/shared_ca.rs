//! One CA for all replicas: its key travels in the log, sealed with the token that all of them have.

use std::path::Path;

use anyhow::{Context, bail};
use data_encoding::HEXLOWER;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;

use crate::replication::replicated_store::ReplicatedStore;
use crate::tls::own_ca::OwnCa;
use crate::token::SecretToken;

/// What the key that seals is derived for.
const PURPOSE: &[u8] = b"sitio: the key of the CA that replicas share";

/// Takes over the CA of the replicas, or makes the CA of this data folder that of all. It reads and writes files and the
/// log, so it may block.
pub fn share_ca(store: &ReplicatedStore, data_dir: &Path, token: &SecretToken) -> anyhow::Result<()> {
    let shared = store.ca_key()?;
    let opened = shared.as_deref().and_then(|sealed| open(token, sealed));
    if let Some(key) = opened {
        return OwnCa::put_key(data_dir, &key);
    }
    if shared.is_some() && !OwnCa::has_key(data_dir) {
        bail!(
            "the CA that the replicas share is sealed with another token: set SITIO_TOKEN to the same value on all of them; after a \
             change of the token, start the replica first that led before"
        );
    }
    let key = OwnCa::key(data_dir)?;
    store.save_ca_key(seal(token, &key)?).context("share the CA with the other replicas")
}

fn sealing_key(token: &SecretToken) -> LessSafeKey {
    let derived = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, token.secret().as_bytes()), PURPOSE);
    LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, derived.as_ref()).expect("an HMAC of SHA-256 has 32 bytes"))
}

fn seal(token: &SecretToken, text: &str) -> anyhow::Result<String> {
    let nonce = rand::random::<[u8; NONCE_LEN]>();
    let mut bytes = text.as_bytes().to_vec();
    let sealed = sealing_key(token).seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut bytes);
    sealed.map_err(|_| anyhow::anyhow!("the key of the CA cannot be sealed"))?;
    Ok(HEXLOWER.encode(&[&nonce[..], &bytes].concat()))
}

fn open(token: &SecretToken, sealed: &str) -> Option<String> {
    let bytes = HEXLOWER.decode(sealed.as_bytes()).ok()?;
    let (nonce, rest) = bytes.split_first_chunk::<NONCE_LEN>()?;
    let mut rest = rest.to_vec();
    let opened = sealing_key(token).open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::empty(), &mut rest).ok()?;
    String::from_utf8(opened.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_opens_what_it_has_sealed() {
        let (token, other) = (SecretToken::new("0123456789abcdef").unwrap(), SecretToken::new("fedcba9876543210").unwrap());
        let sealed = seal(&token, "a key").unwrap();
        assert!(!sealed.contains("key"));
        assert_eq!(open(&token, &sealed).as_deref(), Some("a key"));
        assert_eq!(open(&other, &sealed), None);
        assert_eq!(open(&token, "00"), None);
        assert_eq!(open(&token, "no hex"), None);
    }
}
