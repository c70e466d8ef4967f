//! The keys that an issuer publishes, and the verification of a token by one of them.

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::dangerous::insecure_decode_claims;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::de::DeserializeOwned;

use crate::jwt_crypto::{install, signing_key};

/// The most keys that are read. An issuer has a few.
const KEYS_MAX: usize = 64;

/// The keys of an issuer that can sign tokens.
#[derive(Debug)]
pub struct KeySet {
    keys: Vec<(Option<String>, Arc<SigningKey>)>,
}

/// A key, and the one algorithm that it is for.
pub struct SigningKey {
    key: DecodingKey,
    algorithm: Algorithm,
}

/// What a token must say to be accepted.
#[derive(Debug, Clone)]
pub struct Expected {
    /// Who has issued it.
    pub issuer: String,
    /// The recipients that a token may name: one of these.
    pub audience: Vec<String>,
    /// How far the clock of its issuer may differ.
    pub leeway: Duration,
}

/// The leeway where none is configured, as `jsonwebtoken` has it.
pub const LEEWAY: Duration = Duration::from_secs(60);

/// Why a token is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// It is no token of three parts with a header that can be read.
    #[error("it is no signed token")]
    Malformed,
    /// The issuer publishes no such key.
    #[error("it is signed by a key that its issuer does not publish")]
    UnknownKey,
    /// Its algorithm is not the one of its key, or not a configured one.
    #[error("it is signed in a way that its key does not allow")]
    Algorithm,
    /// Its signature is wrong.
    #[error("its signature is wrong")]
    Signature,
    /// It has expired.
    #[error("it has expired")]
    Expired,
    /// It is not valid yet.
    #[error("it is not valid yet: compare the clocks")]
    NotYetValid,
    /// It is for others.
    #[error("it is for another audience")]
    Audience,
    /// It is of another issuer.
    #[error("it is of another issuer")]
    Issuer,
    /// A claim is absent, or has another type than it must have.
    #[error("it has no {0} that can be read")]
    Claim(String),
}

impl KeySet {
    /// The keys of a published set that can sign (RFC 7517, section 5).
    pub fn from_json(set: serde_json::Value) -> Result<Self, String> {
        install();
        let set: JwkSet = serde_json::from_value(set).map_err(|error| error.to_string())?;
        let usable = |jwk: &Jwk| {
            let (key, algorithm) = signing_key(jwk)?;
            Some((jwk.common.key_id.clone(), Arc::new(SigningKey { key, algorithm })))
        };
        Ok(Self { keys: set.keys.iter().take(KEYS_MAX).filter_map(usable).collect() })
    }

    /// The key that a token names; the only key for a token that names none.
    pub fn find(&self, kid: Option<&str>) -> Option<&Arc<SigningKey>> {
        match (kid, &self.keys[..]) {
            (Some(kid), keys) => keys.iter().find(|(known, _)| known.as_deref() == Some(kid)).map(|(_, key)| key),
            (None, [(_, only)]) => Some(only),
            (None, _) => None,
        }
    }

    /// The id of the key that a token names in its header. Keys that a header brings along, or says where to fetch, are never
    /// looked at (RFC 8725, section 3.10), and a token with extensions that must be understood is refused (RFC 7515, section
    /// 4.1.11).
    pub fn kid_of(token: &str) -> Result<Option<String>, TokenFault> {
        let header = decode_header(token).map_err(|_| TokenFault::Malformed)?;
        if header.crit.is_some() { Err(TokenFault::Malformed) } else { Ok(header.kid) }
    }

    /// Verifies a token by the key that it names, and returns its claims.
    pub fn verify<T: DeserializeOwned>(&self, token: &str, expected: &Expected) -> Result<T, TokenFault> {
        let kid = Self::kid_of(token)?;
        self.find(kid.as_deref()).ok_or(TokenFault::UnknownKey)?.verify(token, expected)
    }
}

impl SigningKey {
    /// The algorithm, by its name (RFC 7518, section 3.1).
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Checks signature, issuer, audience and times, and returns the claims.
    pub fn verify<T: DeserializeOwned>(&self, token: &str, expected: &Expected) -> Result<T, TokenFault> {
        let mut validation = Validation::new(self.algorithm);
        validation.set_audience(&expected.audience);
        validation.set_issuer(&[&expected.issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.validate_nbf = true;
        validation.leeway = expected.leeway.as_secs();
        Ok(decode(token, &self.key, &validation).map_err(|error| fault(error.kind()))?.claims)
    }
}

/// The claims of a token that another party has verified.
pub fn claims_of_verified<T: DeserializeOwned>(token: &str) -> Option<T> {
    insecure_decode_claims(token).ok()
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({:?})", self.algorithm)
    }
}

fn fault(kind: &ErrorKind) -> TokenFault {
    match kind {
        ErrorKind::ExpiredSignature => TokenFault::Expired,
        ErrorKind::ImmatureSignature => TokenFault::NotYetValid,
        ErrorKind::InvalidAudience => TokenFault::Audience,
        ErrorKind::InvalidIssuer => TokenFault::Issuer,
        ErrorKind::InvalidSignature => TokenFault::Signature,
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName | ErrorKind::UnsupportedAlgorithm => TokenFault::Algorithm,
        ErrorKind::MissingRequiredClaim(claim) | ErrorKind::InvalidClaimFormat(claim) => TokenFault::Claim(claim.clone()),
        _ => TokenFault::Malformed,
    }
}

#[cfg(test)]
mod tests;
