//! Password hashes (Argon2id, RFC 9106): made by `sitio hash-password`, and verified beside the async threads.

use std::fmt;
use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash as PhcString;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params};
use serde::{Deserialize, Deserializer};
use tokio::sync::Semaphore;

/// Verifications at a time. Each takes a core for some tens of milliseconds, and the memory of its hash.
const RUNNING_MAX: usize = 2;

/// Sign-ins that wait for one of them: a second's worth. More are refused, and may try again.
const WAITING_MAX: usize = 32;

/// The most memory that a hash may ask for, in KiB: [`RUNNING_MAX`] of them must fit into what the manifests' 256 MiB
/// leave beside the counts. `sitio hash-password` asks for 19 MiB.
const MEMORY_KIB_MAX: u32 = 24 << 10;

/// The most passes that a hash may ask for: with the most memory, a verification takes half a second.
const PASSES_MAX: u32 = 10;

/// Bytes of a password. A longer one is no password, and hashing has a cost.
pub const PASSWORD_BYTES_MAX: usize = 1024;

/// The hash of a password, as a PHC string such as `$argon2id$v=19$m=19456,t=2,p=1$…`.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(Arc<str>);

/// Why a text is no usable hash.
#[derive(Debug, thiserror::Error)]
pub enum BadHash {
    /// It is no PHC string.
    #[error("it is no hash of a password: make one by sitio hash-password")]
    Form,
    /// It is another algorithm.
    #[error("it is not of Argon2id: make one by sitio hash-password")]
    Algorithm,
    /// It is too expensive to verify.
    #[error("it asks for more than {} MiB or {PASSES_MAX} passes: make one by sitio hash-password", MEMORY_KIB_MAX >> 10)]
    Cost,
}

impl PasswordHash {
    /// Hashes a password with a random salt. It takes some tens of milliseconds.
    pub fn from_password(password: &str) -> Result<Self, String> {
        let hash = Argon2::default().hash_password(password.as_bytes()).map_err(|error| format!("hash the password: {error}"))?;
        Ok(Self(hash.to_string().into()))
    }

    /// The PHC string.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the hash of a password. It takes some tens of milliseconds.
    fn has_password(&self, password: &str) -> bool {
        PhcString::new(&self.0).is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
    }
}

impl TryFrom<String> for PasswordHash {
    type Error = BadHash;

    fn try_from(text: String) -> Result<Self, BadHash> {
        let hash = PhcString::new(&text).map_err(|_| BadHash::Form)?;
        if Algorithm::try_from(hash.algorithm.as_str()) != Ok(Algorithm::Argon2id) {
            return Err(BadHash::Algorithm);
        }
        let cost = Params::try_from(&hash).map_err(|_| BadHash::Form)?;
        if hash.hash.is_none() || hash.salt.is_none() {
            return Err(BadHash::Form);
        }
        if cost.m_cost() > MEMORY_KIB_MAX || cost.t_cost() > PASSES_MAX {
            return Err(BadHash::Cost);
        }
        Ok(Self(text.into()))
    }
}

impl<'de> Deserialize<'de> for PasswordHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::try_from(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// Verifies passwords, a few at a time.
#[derive(Debug)]
pub struct PasswordChecks {
    running: Arc<Semaphore>,
    waiting: Semaphore,
}

/// Too many sign-ins wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManySignIns;

impl Default for PasswordChecks {
    fn default() -> Self {
        Self { running: Arc::new(Semaphore::new(RUNNING_MAX)), waiting: Semaphore::new(WAITING_MAX) }
    }
}

impl PasswordChecks {
    /// Whether a hash is that of a password.
    pub async fn check(&self, hash: PasswordHash, password: String) -> Result<bool, TooManySignIns> {
        let _waiting = self.waiting.try_acquire().map_err(|_| TooManySignIns)?;
        let running = Arc::clone(&self.running).acquire_owned().await.map_err(|_| TooManySignIns)?;
        // The permit moves along: a verification goes on if its client leaves, and still counts as one.
        let checking = tokio::task::spawn_blocking(move || {
            let _running = running;
            hash.has_password(&password)
        });
        Ok(checking.await.unwrap_or(false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cheap hash of the password `right`, for tests.
    const CHEAP: &str = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$";

    #[tokio::test]
    async fn only_the_right_password_is_right() {
        let hash = PasswordHash::from_password("right").unwrap();
        assert!(hash.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.as_str());
        assert_ne!(hash, PasswordHash::from_password("right").unwrap(), "each has its own salt");
        let checks = PasswordChecks::default();
        assert_eq!(checks.check(hash.clone(), "right".into()).await, Ok(true));
        for wrong in ["", "Right", "right ", "righ"] {
            assert_eq!(checks.check(hash.clone(), wrong.into()).await, Ok(false), "{wrong:?}");
        }
        assert_eq!(format!("{hash:?}"), "PasswordHash(…)");
    }

    #[test]
    fn what_is_no_hash_or_too_expensive_is_refused() {
        let hash = |text: &str| PasswordHash::try_from(text.to_owned()).map_err(|why| why.to_string());
        let good = PasswordHash::from_password("right").unwrap().as_str().to_owned();
        assert!(hash(&good).is_ok());
        for (text, why) in [
            ("", "no hash"),
            ("secret", "no hash"),
            (CHEAP, "no hash"),
            (&good.replace("argon2id", "argon2i"), "not of Argon2id"),
            (&good.replace("m=19456", "m=4000000"), "more than 24 MiB"),
            (&good.replace("t=2", "t=4000"), "10 passes"),
            (&good.replace("m=19456", "m=0"), "no hash"),
        ] {
            let refused = hash(text).unwrap_err();
            assert!(refused.contains(why), "{text}: {refused}");
        }
    }

    #[tokio::test]
    async fn sign_ins_that_nothing_can_serve_in_time_are_refused() {
        let checks = Arc::new(PasswordChecks::default());
        let hash = PasswordHash::from_password("right").unwrap();
        let all = (0..WAITING_MAX + 8).map(|_| checks.check(hash.clone(), "wrong".into()));
        let results = futures_util::future::join_all(all).await;
        assert_eq!(results.iter().filter(|result| **result == Err(TooManySignIns)).count(), 8);
        assert_eq!(checks.check(hash, "right".into()).await, Ok(true), "later ones are served");
    }
}
