//! Tests how control planes reach a NATS that asks for TLS, for a password, or for credentials.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nkeys::KeyPair;
use scenario::nats::{JETSTREAM, NatsCluster};
use scenario::replicas::Replicas;
use serde_json::{Value, json};

/// One control plane leads with these settings.
fn expect_lead(nats: &NatsCluster, settings: &[(&str, &str)]) {
    let replicas = Replicas::with(1, nats, settings);
    assert_eq!(replicas.expect_leader(), 0);
}

fn written(folder: &Path, name: &str, text: &str) -> String {
    let file = folder.join(name);
    std::fs::write(&file, text).unwrap();
    file.display().to_string()
}

#[test]
fn over_tls_with_a_ca_of_its_own_and_a_password() {
    let folder = tempfile::tempdir().unwrap();
    let signed = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = written(folder.path(), "nats.crt", &signed.cert.pem());
    let key = written(folder.path(), "nats.key", &signed.signing_key.serialize_pem());
    let access = format!(
        "{JETSTREAM}\ntls {{ cert_file: \"{certificate}\", key_file: \"{key}\" }}\nauthorization {{ user: sitio, password: a-word }}"
    );
    let nats = NatsCluster::with_config(1, &access);
    expect_lead(&nats, &[("SITIO_NATS_URL", &nats.urls_with("tls://sitio:a-word@")), ("SITIO_NATS_CA_FILE", &certificate)]);
}

#[test]
fn with_a_credentials_file() {
    let folder = tempfile::tempdir().unwrap();
    let (operator, account, user) = (KeyPair::new_operator(), KeyPair::new_account(), KeyPair::new_user());
    let limits = json!({
        "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1,
        "mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1,
    });
    let of_operator = token(&operator, &operator, &json!({ "type": "operator", "version": 2 }));
    // NATS has an account of its own for itself.
    let system = KeyPair::new_account();
    let of_system = token(&operator, &system, &json!({ "type": "account", "version": 2, "limits": { "subs": -1, "conn": -1 } }));
    let of_account = token(&operator, &account, &json!({ "type": "account", "version": 2, "limits": limits }));
    let of_user = token(&account, &user, &json!({ "type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1 }));
    let access = format!(
        "{JETSTREAM}\noperator: {of_operator}\nresolver: MEMORY\nresolver_preload: {{ {}: {of_account}, {system_key}: {of_system} }}\n\
         system_account: {system_key}",
        account.public_key(),
        system_key = system.public_key(),
    );
    let nats = NatsCluster::with_config(1, &access);
    let credentials = format!(
        "-----BEGIN NATS USER JWT-----\n{of_user}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
        user.seed().unwrap()
    );
    let file = written(folder.path(), "credentials", &credentials);
    expect_lead(&nats, &[("SITIO_NATS_CREDENTIALS_FILE", &file)]);
}

/// A token of NATS about `subject`, signed by `issuer`.
fn token(issuer: &KeyPair, subject: &KeyPair, nats: &Value) -> String {
    let claims =
        json!({ "iss": issuer.public_key(), "sub": subject.public_key(), "name": "sitio", "iat": 1_700_000_000, "nats": nats });
    let encode = |part: &[u8]| URL_SAFE_NO_PAD.encode(part);
    let head = encode(br#"{"typ":"JWT","alg":"ed25519-nkey"}"#);
    let signed = format!("{head}.{}", encode(claims.to_string().as_bytes()));
    format!("{signed}.{}", encode(&issuer.sign(signed.as_bytes()).unwrap()))
}
