//! The client against a TLS server that answers as the Kubernetes API does, and against broken ones.

use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

/// A client with credentials in a folder, and a server that answers one request.
struct OneAnswer {
    api: KubernetesApi,
    _folder: TempDir,
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl OneAnswer {
    async fn new() -> Self {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        for (file, text) in [("token", "secret\n".to_owned()), ("ca.crt", cert.pem()), ("namespace", "mesh\n".to_owned())] {
            std::fs::write(folder.path().join(file), text).unwrap();
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider())).with_safe_default_protocol_versions();
        let config = config.unwrap().with_no_client_auth().with_single_cert(vec![cert.der().clone()], key).unwrap();
        let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let api = KubernetesApi::with_account(url, folder.path());
        Self { api, _folder: folder, listener, acceptor: TlsAcceptor::from(Arc::new(config)) }
    }

    /// Answers the next request; returns it.
    async fn answer(&self, status: &str, body: &str) -> String {
        let (socket, _) = self.listener.accept().await.unwrap();
        let mut stream = self.acceptor.accept(socket).await.unwrap();
        let mut request = Vec::new();
        let is_whole = |request: &[u8]| {
            let text = String::from_utf8_lossy(request).into_owned();
            let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok()).unwrap_or(0);
            text.find("\r\n\r\n").is_some_and(|end| request.len() >= end + 4 + length)
        };
        while !is_whole(&request) {
            assert!(stream.read_buf(&mut request).await.unwrap() > 0, "the request is cut off");
        }
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
        // The client may hang up on an answer that is too long.
        let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
        let _ = stream.shutdown().await;
        String::from_utf8(request).unwrap()
    }
}

#[tokio::test]
async fn an_object_is_read_with_the_pods_token() {
    let server = OneAnswer::new().await;

    let (object, request) = tokio::join!(server.api.find("/version"), server.answer("200 OK", "{\"major\":\"1\"}"));

    assert_eq!(object.unwrap(), Some(json!({"major": "1"})));
    assert!(
        request.starts_with("GET /version HTTP/1.1\r\n") && request.contains("authorization: Bearer secret\r\n"),
        "{request}"
    );
    assert_eq!(server.api.namespace().unwrap(), "mesh");
}

#[tokio::test]
async fn a_missing_object_is_none_and_a_refusal_is_an_error_with_the_apis_words() {
    let server = OneAnswer::new().await;
    let (missing, _) = tokio::join!(server.api.find("/a"), server.answer("404 Not Found", "{}"));
    assert_eq!(missing.unwrap(), None);

    let (refused, _) =
        tokio::join!(server.api.find("/a"), server.answer("403 Forbidden", "{\"message\":\"cannot get resource \\\"a\\\"\"}"));

    let words = refused.unwrap_err().to_string();
    assert_eq!(words, "GET /a: the Kubernetes API answered 403 Forbidden: cannot get resource \"a\"");
}

#[tokio::test]
async fn an_apply_sends_the_fields_it_sets() {
    let server = OneAnswer::new().await;
    let object = json!({"kind": "ConfigMap"});

    let (applied, request) = tokio::join!(server.api.apply("/api/v1/x", &object), server.answer("200 OK", "{}"));

    assert_eq!(applied.unwrap(), json!({}));
    assert!(request.starts_with("PATCH /api/v1/x?fieldManager=sitio&force=true HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("content-type: application/apply-patch+yaml\r\n"), "{request}");
    assert!(request.ends_with("{\"kind\":\"ConfigMap\"}"), "{request}");
}

#[tokio::test]
async fn answers_that_are_too_long_or_not_json_are_errors() {
    let server = OneAnswer::new().await;
    let long = " ".repeat(RESPONSE_BYTES_MAX + 1);
    let (too_long, _) = tokio::join!(server.api.find("/a"), server.answer("200 OK", &long));
    assert!(too_long.unwrap_err().to_string().contains("longer than"));

    let (not_json, _) = tokio::join!(server.api.find("/a"), server.answer("200 OK", "<html>"));

    assert!(not_json.unwrap_err().to_string().contains("is not JSON"));
}

#[tokio::test]
async fn a_server_with_another_authority_is_not_trusted() {
    let (server, other) = (OneAnswer::new().await, OneAnswer::new().await);
    let api = KubernetesApi::with_account(server.api.url.clone(), &other.api.account);
    let accepted = async {
        let (socket, _) = server.listener.accept().await.unwrap();
        server.acceptor.accept(socket).await.is_err()
    };

    let (answer, is_refused) = tokio::join!(api.find("/a"), accepted);

    assert!(matches!(answer, Err(KubernetesApiError::Unreachable { .. })), "{answer:?}");
    assert!(is_refused);
}

#[test]
fn without_credentials_the_error_says_which_file_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let api = KubernetesApi::with_account("https://localhost:1".to_owned(), folder.path());

    let words = api.namespace().unwrap_err().to_string();

    assert!(words.contains("namespace") && words.contains("automountServiceAccountToken"), "{words}");
    std::fs::write(folder.path().join("ca.crt"), "no certificate").unwrap();
    assert!(matches!(api.tls(), Err(KubernetesApiError::Authority { .. })));
}
