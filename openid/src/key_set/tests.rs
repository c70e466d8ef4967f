//! Tests genuine and forged tokens against a published key.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

use super::*;

/// An issuer with one key.
struct Issuer {
    key: EcdsaKeyPair,
}

impl Issuer {
    fn new() -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        Self { key: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap() }
    }

    fn jwk(&self) -> Value {
        let point = self.key.public_key().as_ref();
        let (x, y) = (BASE64.encode(&point[1..33]), BASE64.encode(&point[33..]));
        json!({ "kty": "EC", "crv": "P-256", "kid": "k1", "use": "sig", "x": x, "y": y })
    }

    fn keys(&self) -> KeySet {
        KeySet::from_json(json!({ "keys": [self.jwk()] })).unwrap()
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let input = signing_input(header, claims);
        let signature = self.key.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
        format!("{input}.{}", BASE64.encode(signature.as_ref()))
    }
}

fn signing_input(header: &Value, claims: &Value) -> String {
    format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()))
}

fn header() -> Value {
    json!({ "alg": "ES256", "typ": "JWT", "kid": "k1" })
}

fn claims() -> Value {
    json!({ "iss": "https://sso.example", "aud": ["orders", "other"], "sub": "vera", "exp": now() + 60 })
}

fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

fn with(mut object: Value, name: &str, value: Value) -> Value {
    object[name] = value;
    object
}

fn verify(keys: &KeySet, token: &str) -> Result<Value, TokenFault> {
    let expected = Expected {
        issuer: "https://sso.example".to_owned(),
        audience: vec!["orders".to_owned()],
        leeway: Duration::from_secs(30),
    };
    keys.verify(token, &expected)
}

#[test]
fn a_genuine_token_is_accepted_within_its_times_and_their_leeway() {
    let issuer = Issuer::new();
    let check = |claims: Value| verify(&issuer.keys(), &issuer.sign(&header(), &claims)).map(|_| ());
    assert_eq!(verify(&issuer.keys(), &issuer.sign(&header(), &claims())).unwrap()["sub"], "vera");
    assert_eq!(check(with(claims(), "exp", json!(now() - 10))), Ok(()), "within the leeway");
    assert_eq!(check(with(claims(), "exp", json!(now() - 40))), Err(TokenFault::Expired));
    assert_eq!(check(with(claims(), "nbf", json!(now() + 10))), Ok(()));
    assert_eq!(check(with(claims(), "nbf", json!(now() + 90))), Err(TokenFault::NotYetValid));
    assert_eq!(check(with(claims(), "aud", json!("shop"))), Err(TokenFault::Audience));
    assert_eq!(check(with(claims(), "iss", json!("https://sso.example.evil"))), Err(TokenFault::Issuer));
    for claim in ["exp", "iss", "aud", "sub"] {
        let mut without = claims();
        without.as_object_mut().unwrap().remove(claim);
        assert_eq!(check(without), Err(TokenFault::Claim(claim.to_owned())));
    }
    assert_eq!(check(with(claims(), "exp", json!("tomorrow"))), Err(TokenFault::Claim("exp".to_owned())));
}

#[test]
fn no_token_chooses_its_key_or_how_it_is_verified() {
    let (issuer, attacker) = (Issuer::new(), Issuer::new());
    let keys = issuer.keys();
    let public_point = issuer.key.public_key().as_ref();
    for algorithm in ["none", "None", "NONE", "nOnE", ""] {
        let input = signing_input(&json!({ "alg": algorithm, "kid": "k1" }), &claims());
        for token in [format!("{input}."), format!("{input}.{}", BASE64.encode("x"))] {
            assert_eq!(verify(&keys, &token).unwrap_err(), TokenFault::Malformed, "{algorithm}");
        }
    }
    let symmetric = signing_input(&with(header(), "alg", json!("HS256")), &claims());
    for secret in [public_point, issuer.jwk().to_string().as_bytes(), b""] {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
        let token = format!("{symmetric}.{}", BASE64.encode(ring::hmac::sign(&key, symmetric.as_bytes()).as_ref()));
        assert_eq!(verify(&keys, &token).unwrap_err(), TokenFault::Algorithm);
    }
    for algorithm in ["ES384", "RS256", "EdDSA"] {
        let token = issuer.sign(&with(header(), "alg", json!(algorithm)), &claims());
        assert_eq!(verify(&keys, &token).unwrap_err(), TokenFault::Algorithm, "{algorithm}");
    }
    let attackers = attacker.sign(&header(), &claims());
    assert_eq!(verify(&keys, &attackers).unwrap_err(), TokenFault::Signature);
    let own_key = with(with(header(), "jwk", attacker.jwk()), "jku", json!("https://evil.example/keys"));
    assert_eq!(verify(&keys, &attacker.sign(&own_key, &claims())).unwrap_err(), TokenFault::Signature);
    for kid in ["k2", "", "../../etc/passwd", "k1' OR '1'='1", "K1"] {
        let token = issuer.sign(&with(header(), "kid", json!(kid)), &claims());
        assert_eq!(verify(&keys, &token).unwrap_err(), TokenFault::UnknownKey, "{kid}");
    }
    let critical = with(with(header(), "crit", json!(["exp"])), "exp", json!(1));
    assert_eq!(verify(&keys, &issuer.sign(&critical, &claims())).unwrap_err(), TokenFault::Malformed);
}

#[test]
fn a_token_that_was_changed_is_refused() {
    let issuer = Issuer::new();
    let keys = issuer.keys();
    let token = issuer.sign(&header(), &claims());
    let [head, body, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    let forged = BASE64.encode(with(claims(), "sub", json!("olga")).to_string());
    assert_eq!(verify(&keys, &format!("{head}.{forged}.{signature}")).unwrap_err(), TokenFault::Signature);
    // An empty and a zero signature (CVE-2022-21449).
    for signature in [String::new(), BASE64.encode([0; 64]), BASE64.encode([0xff; 64])] {
        assert_eq!(verify(&keys, &format!("{head}.{body}.{signature}")).unwrap_err(), TokenFault::Signature);
    }
    for token in ["", ".", "..", "...", "a.b.c", &format!("{token}."), &format!("{head}.{body}"), &token[1..]] {
        assert_eq!(verify(&keys, token).unwrap_err(), TokenFault::Malformed, "{token}");
    }
}

#[test]
fn only_keys_that_sign_are_used_and_a_token_without_a_kid_needs_an_only_key() {
    let (issuer, other) = (Issuer::new(), Issuer::new());
    let mut without_kid = header();
    without_kid.as_object_mut().unwrap().remove("kid");
    let token = issuer.sign(&without_kid, &claims());
    assert!(verify(&issuer.keys(), &token).is_ok());
    let two = KeySet::from_json(json!({ "keys": [issuer.jwk(), with(other.jwk(), "kid", json!("k2"))] })).unwrap();
    assert_eq!(verify(&two, &token).unwrap_err(), TokenFault::UnknownKey);
    let encrypting = KeySet::from_json(json!({ "keys": [with(issuer.jwk(), "use", json!("enc"))] })).unwrap();
    assert_eq!(verify(&encrypting, &issuer.sign(&header(), &claims())).unwrap_err(), TokenFault::UnknownKey);
    let shared = KeySet::from_json(json!({ "keys": [{ "kty": "oct", "kid": "k1", "k": "c2VjcmV0" }] })).unwrap();
    assert_eq!(verify(&shared, &issuer.sign(&header(), &claims())).unwrap_err(), TokenFault::UnknownKey);
    for wrong in [json!([]), json!({}), json!("keys"), json!({ "keys": 1 })] {
        assert!(KeySet::from_json(wrong.clone()).is_err(), "{wrong}");
    }
    assert!(KeySet::from_json(json!({ "keys": [] })).unwrap().find(None).is_none());
}
