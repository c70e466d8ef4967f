//! Remembers verified tokens by their hashes, so that a signature is paid for once.

use std::sync::{Arc, Mutex, PoisonError};

use foldhash::{HashMap, HashMapExt};
use openid::provider::Known;

use crate::decorator::AddedField;

/// Tokens of one generation. Two generations of small ones are some megabytes.
const GENERATION_MAX: usize = 4096;

/// The hash of a token. A token itself is a secret, which is not kept.
pub(super) type Digest = [u8; 32];

/// A genuine token.
#[derive(Debug, Clone)]
pub(super) struct Verified {
    /// When it is no longer valid, in seconds since the Unix epoch.
    pub(super) until: u64,
    /// The fields for the service; an error if the user has not what is required.
    pub(super) fields: Result<Vec<AddedField>, ()>,
}

/// The tokens that were used last. A full generation becomes the old one, which drops the old one before: so what is used
/// stays, and the number is bounded.
#[derive(Debug, Default)]
pub(super) struct VerifiedTokens {
    generations: Mutex<Generations>,
}

#[derive(Debug, Default)]
struct Generations {
    /// The keys by which they were verified. Other keys end them: one may have been withdrawn.
    keys: Option<Arc<Known>>,
    young: HashMap<Digest, Verified>,
    old: HashMap<Digest, Verified>,
}

/// The hash of a token.
pub(super) fn digest(token: &str) -> Digest {
    let digest = ring::digest::digest(&ring::digest::SHA256, token.as_bytes());
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

impl VerifiedTokens {
    /// What is known of a token that these keys have verified.
    pub(super) fn find(&self, digest: &Digest, keys: &Arc<Known>, now: u64) -> Option<Result<Vec<AddedField>, ()>> {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        if !generations.keys.as_ref().is_some_and(|known| Arc::ptr_eq(known, keys)) {
            return None;
        }
        if let Some(found) = generations.young.get(digest) {
            return (now < found.until).then(|| found.fields.clone());
        }
        let found = generations.old.remove(digest).filter(|found| now < found.until)?;
        let fields = found.fields.clone();
        generations.insert(*digest, found);
        Some(fields)
    }

    /// Remembers a token.
    pub(super) fn remember(&self, digest: Digest, verified: Verified, keys: &Arc<Known>, now: u64) {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        if !generations.keys.as_ref().is_some_and(|known| Arc::ptr_eq(known, keys)) {
            *generations = Generations { keys: Some(Arc::clone(keys)), ..Generations::default() };
        }
        if now < verified.until {
            generations.insert(digest, verified);
        }
    }
}

impl Generations {
    fn insert(&mut self, digest: Digest, verified: Verified) {
        if self.young.len() >= GENERATION_MAX {
            self.old = std::mem::replace(&mut self.young, HashMap::new());
        }
        self.young.insert(digest, verified);
    }
}
