//! Verifies signatures of JSON Web Tokens with `ring`, the cryptography that TLS uses already.

use std::sync::Once;

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::signature::{self, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters,
    RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};

/// Makes `jsonwebtoken` verify with `ring`. Later calls change nothing.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        static PROVIDER: CryptoProvider = CryptoProvider {
            signer_factory: |_, _| Err(ErrorKind::UnsupportedAlgorithm.into()),
            verifier_factory: verifier,
            key_utils: KeyUtils::new_unimplemented(),
        };
        // It fails only if another part of the program has installed one.
        let _ = PROVIDER.install_default();
    });
}

/// A key that signs, with the one algorithm that fits it (RFC 7518, section 3.1; RFC 8037): a token does not choose its own.
pub(crate) fn signing_key(jwk: &Jwk) -> Option<(DecodingKey, Algorithm)> {
    if jwk.common.public_key_use.as_ref().is_some_and(|purpose| *purpose != PublicKeyUse::Signature) {
        return None;
    }
    let algorithm = match (&jwk.algorithm, jwk.common.key_algorithm) {
        (AlgorithmParameters::RSA(_), None | Some(KeyAlgorithm::RS256)) => Algorithm::RS256,
        (AlgorithmParameters::RSA(_), Some(KeyAlgorithm::RS384)) => Algorithm::RS384,
        (AlgorithmParameters::RSA(_), Some(KeyAlgorithm::RS512)) => Algorithm::RS512,
        (AlgorithmParameters::RSA(_), Some(KeyAlgorithm::PS256)) => Algorithm::PS256,
        (AlgorithmParameters::RSA(_), Some(KeyAlgorithm::PS384)) => Algorithm::PS384,
        (AlgorithmParameters::RSA(_), Some(KeyAlgorithm::PS512)) => Algorithm::PS512,
        (AlgorithmParameters::EllipticCurve(key), _) if key.curve == EllipticCurve::P256 => Algorithm::ES256,
        (AlgorithmParameters::EllipticCurve(key), _) if key.curve == EllipticCurve::P384 => Algorithm::ES384,
        (AlgorithmParameters::OctetKeyPair(key), _) if key.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
        _ => return None,
    };
    Some((DecodingKey::from_jwk(jwk).ok()?, algorithm))
}

/// A key and how it verifies (RFC 7518, section 3.1).
struct RingVerifier {
    key: DecodingKey,
    algorithm: Algorithm,
    verification: Verification,
}

enum Verification {
    Rsa(&'static RsaParameters),
    Curve(&'static dyn VerificationAlgorithm),
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "jsonwebtoken prescribes the signature")]
fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    let verification = match algorithm {
        Algorithm::RS256 => Verification::Rsa(&RSA_PKCS1_2048_8192_SHA256),
        Algorithm::RS384 => Verification::Rsa(&RSA_PKCS1_2048_8192_SHA384),
        Algorithm::RS512 => Verification::Rsa(&RSA_PKCS1_2048_8192_SHA512),
        Algorithm::ES256 => Verification::Curve(&ECDSA_P256_SHA256_FIXED),
        Algorithm::ES384 => Verification::Curve(&ECDSA_P384_SHA384_FIXED),
        Algorithm::PS256 => Verification::Rsa(&RSA_PSS_2048_8192_SHA256),
        Algorithm::PS384 => Verification::Rsa(&RSA_PSS_2048_8192_SHA384),
        Algorithm::PS512 => Verification::Rsa(&RSA_PSS_2048_8192_SHA512),
        Algorithm::EdDSA => Verification::Curve(&ED25519),
        // A symmetric key would be the issuer's public key in disguise.
        _ => return Err(ErrorKind::UnsupportedAlgorithm.into()),
    };
    Ok(Box::new(RingVerifier { key: key.clone(), algorithm: *algorithm, verification }))
}

impl Verifier<Vec<u8>> for RingVerifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        let verified = match (self.key.kind(), &self.verification) {
            (DecodingKeyKind::RsaModulusExponent { n, e }, Verification::Rsa(parameters)) => {
                RsaPublicKeyComponents { n, e }.verify(parameters, message, signature)
            }
            (DecodingKeyKind::SecretOrDer(key), Verification::Curve(algorithm)) => {
                UnparsedPublicKey::new(*algorithm, key).verify(message, signature)
            }
            _ => return Err(signature::Error::new()),
        };
        verified.map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for RingVerifier {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}
