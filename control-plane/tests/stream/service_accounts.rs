//! Tests of streams that authenticate by service-account tokens, with a TLS server in the place of the Kubernetes API.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use clap::{Args, Command, FromArgMatches};
use control_plane::app::options::AppOptions;
use control_plane::ca_publisher::CaConfigMap;
use control_plane::clock::now_ms;
use control_plane::kubernetes_api::KubernetesApi;
use control_plane::service_accounts::{ServiceAccountSettings, ServiceAccounts};
use proto::convert::greeting::Greeting;
use rcgen::generate_simple_self_signed;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::{Code, Status};

use crate::harness::{FakeSidecar, SOON, TestControlPlane, greeting};

const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

/// A key that signs tokens.
struct Signer {
    key: EcdsaKeyPair,
    kid: &'static str,
}

impl Signer {
    fn new(kid: &'static str) -> Self {
        let random = SystemRandom::new();
        let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        Self { key: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.as_ref(), &random).unwrap(), kid }
    }

    fn jwk(&self) -> Value {
        let (x, y) = self.key.public_key().as_ref()[1..].split_at(32);
        json!({ "use": "sig", "kty": "EC", "kid": self.kid, "crv": "P-256", "alg": "ES256", "x": encoded(x), "y": encoded(y) })
    }

    fn sign(&self, claims: &Value) -> String {
        self.sign_as(&json!({ "alg": "ES256", "kid": self.kid }), claims)
    }

    fn sign_as(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()));
        let signature = self.key.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
        format!("{message}.{}", encoded(signature.as_ref()))
    }
}

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// The claims of a token that Kubernetes projects into the pod `web-0`.
fn claims() -> Value {
    let now = now_ms() / 1000;
    json!({
        "iss": ISSUER, "aud": ["sitio"], "sub": "system:serviceaccount:default:storefront", "exp": now + 3600, "nbf": now - 1,
        "kubernetes.io": {
            "namespace": "default",
            "serviceaccount": { "name": "storefront", "uid": "uid-of-the-account" },
            "pod": { "name": "web-0", "uid": "uid-web-0" },
        },
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

/// A server that answers like the Kubernetes API.
struct Cluster {
    api: KubernetesApi,
    requests: Arc<AtomicU64>,
    folder: TempDir,
    _tasks: JoinSet<()>,
}

impl Cluster {
    /// Answers requests by path.
    async fn start(answer: impl Fn(&str, &str) -> Value + Send + Sync + 'static) -> Self {
        let rcgen::CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        for (file, text) in [("token", "own\n".to_owned()), ("ca.crt", cert.pem()), ("namespace", "mesh\n".to_owned())] {
            std::fs::write(folder.path().join(file), text).unwrap();
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider())).with_safe_default_protocol_versions();
        let config = config.unwrap().with_no_client_auth().with_single_cert(vec![cert.der().clone()], key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let requests = Arc::new(AtomicU64::new(0));
        let (seen, mut tasks) = (Arc::clone(&requests), JoinSet::new());
        tasks.spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let mut stream = acceptor.accept(socket).await.unwrap();
                let mut request = Vec::new();
                while !is_whole(&request) {
                    assert!(stream.read_buf(&mut request).await.unwrap() > 0, "the request is cut off");
                }
                seen.fetch_add(1, Ordering::Relaxed);
                let request = String::from_utf8(request).unwrap();
                let body = answer(request.split(' ').nth(1).unwrap(), request.split("\r\n\r\n").nth(1).unwrap()).to_string();
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
                let _ = stream.shutdown().await;
            }
        });
        Self { api: KubernetesApi::with_account(url, folder.path()), requests, folder, _tasks: tasks }
    }

    /// Publishes these keys.
    async fn with_keys(signers: &[&Signer]) -> Self {
        let keys = json!({ "keys": signers.iter().map(|signer| signer.jwk()).collect::<Vec<_>>() });
        Self::start(move |path, _| match path {
            "/openid/v1/jwks" => keys.clone(),
            "/.well-known/openid-configuration" => json!({ "issuer": ISSUER }),
            _ => panic!("a request for {path}"),
        })
        .await
    }

    fn accounts(&self, verification: &str) -> Arc<ServiceAccounts> {
        let command = ServiceAccountSettings::augment_args(Command::new("settings"));
        let matches = command.get_matches_from(["settings", "--service-accounts", verification]);
        let settings = ServiceAccountSettings::from_arg_matches(&matches).unwrap();
        Arc::new(settings.verifier_with(self.api.clone()).unwrap())
    }
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok()).unwrap_or(0);
    text.find("\r\n\r\n").is_some_and(|end| request.len() >= end + 4 + length)
}

fn control_plane(folder: &TempDir, accounts: Arc<ServiceAccounts>) -> TestControlPlane {
    TestControlPlane::with(AppOptions { service_accounts: Some(accounts), ..AppOptions::in_folder(folder.path()) })
}

/// Attaches, and returns the refusal, of the call or of the greeting.
async fn refusal(server: &TestControlPlane, token: &str, greeting: Greeting) -> Status {
    match server.attach_with(token, greeting).await {
        Err(status) => status,
        Ok(mut sidecar) => FakeSidecar::ended(&mut sidecar).await,
    }
}

#[tokio::test]
async fn a_pod_attaches_with_its_own_token_and_with_no_other() {
    let (signer, stranger) = (Signer::new("one"), Signer::new("one"));
    let cluster = Cluster::with_keys(&[&signer]).await;
    let folder = tempfile::tempdir().unwrap();
    let server = control_plane(&folder, cluster.accounts("keys"));
    let now = now_ms() / 1000;

    let mut attached = server.attach_with(&signer.sign(&claims()), greeting("web", "web-0")).await.unwrap();
    assert_eq!(attached.rules().await.revision, 0);
    let mut by_account = server.attach_with(&signer.sign(&claims()), greeting("storefront", "web-0")).await.unwrap();
    assert_eq!(by_account.rules().await.revision, 0);

    for (token, why) in [
        (signer.sign(&with("exp", json!(now - 3600))), "it has expired"),
        (signer.sign(&with("exp", json!("never"))), "it is not a service-account token"),
        (signer.sign(&with("exp", json!(null))), "it is not a service-account token"),
        (signer.sign(&with("nbf", json!(now + 3600))), "it is not valid yet"),
        (signer.sign(&with("aud", json!(["vault"]))), "it is for another audience"),
        (signer.sign(&with("aud", json!([]))), "it is for another audience"),
        (signer.sign(&with("iss", json!("https://elsewhere.example"))), "another cluster has issued it"),
        (signer.sign(&with("kubernetes.io", json!({ "namespace": "default" }))), "it is not a service-account token"),
        (stranger.sign(&claims()), "its signature is wrong"),
        (Signer::new("two").sign(&claims()), "a key that the cluster does not publish"),
        (signer.sign_as(&json!({ "alg": "ES256" }), &claims()), "it names no key"),
        (signer.sign_as(&json!({ "alg": "HS256", "kid": "one" }), &claims()), "signed in a way that its key does not allow"),
        (signer.sign_as(&json!({ "alg": "RS256", "kid": "one" }), &claims()), "signed in a way that its key does not allow"),
        (signer.sign_as(&json!({ "alg": "none", "kid": "one" }), &claims()), "the service-account token is refused"),
        ("a.b.c".to_owned(), "it is not a service-account token"),
        ("..".to_owned(), "it is not a service-account token"),
        ("shared-secret".to_owned(), "a service-account token is needed"),
    ] {
        let refused = refusal(&server, &token, greeting("web", "web-0")).await;
        assert_eq!(refused.code(), Code::Unauthenticated, "{refused}");
        assert!(refused.message().contains(why), "{refused} instead of {why}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_sidecar_cannot_report_for_another_pod() {
    let signer = Signer::new("one");
    let cluster = Cluster::with_keys(&[&signer]).await;
    let folder = tempfile::tempdir().unwrap();
    let server = control_plane(&folder, cluster.accounts("keys"));
    let claimed = |change: fn(&mut Greeting)| {
        let mut greeting = greeting("web", "web-0");
        change(&mut greeting);
        greeting
    };
    for (greeting, why) in [
        (claimed(|greeting| greeting.workload.namespace = "kube-system".into()), "set POD_NAMESPACE from the pod itself"),
        (claimed(|greeting| greeting.workload.pod = "web-1".into()), "set POD_NAME from the pod itself"),
        (claimed(|greeting| greeting.workload.pod_uid = "uid-web-1".into()), "set POD_UID from the pod itself"),
        (claimed(|greeting| greeting.workload.service = "payments".into()), "set SITIO_SERVICE to web"),
        (claimed(|greeting| greeting.workload.service = "we".into()), "set SITIO_SERVICE to web"),
    ] {
        let refused = refusal(&server, &signer.sign(&claims()), greeting).await;
        assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
        assert!(refused.message().contains(why), "{refused} instead of {why}");
    }
    assert_eq!(server.get("/api/v1/pods").await["pods"].as_array().unwrap().len(), 0);
    server.stop().await;
}

#[tokio::test]
async fn a_token_review_decides_where_it_is_configured() {
    let cluster = Cluster::start(|path, body| {
        assert_eq!(path, "/apis/authentication.k8s.io/v1/tokenreviews");
        let review: Value = serde_json::from_str(body).unwrap();
        assert_eq!(review["spec"]["audiences"], json!(["sitio"]));
        let extra = json!({
            "authentication.kubernetes.io/pod-name": ["web-0"],
            "authentication.kubernetes.io/pod-uid": ["uid-web-0"],
        });
        let user = json!({ "username": "system:serviceaccount:default:storefront", "extra": extra });
        let status = match review["spec"]["token"].as_str().unwrap() {
            "good.for.us" => json!({ "authenticated": true, "audiences": ["sitio"], "user": user }),
            "good.for.any" => json!({ "authenticated": true, "user": user }),
            "good.without.pod" => {
                json!({ "authenticated": true, "audiences": ["sitio"], "user": { "username": user["username"] } })
            }
            _ => json!({ "authenticated": false, "error": "token has been revoked" }),
        };
        json!({ "status": status })
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let server = control_plane(&folder, cluster.accounts("review"));

    let mut attached = server.attach_with("good.for.us", greeting("web", "web-0")).await.unwrap();
    assert_eq!(attached.rules().await.revision, 0);
    for (token, why) in [
        ("good.for.any", "its audience is not sitio"),
        ("good.without.pod", "it is bound to no pod"),
        ("a.revoked.one", "token has been revoked"),
    ] {
        let refused = refusal(&server, token, greeting("web", "web-0")).await;
        assert!(refused.code() == Code::Unauthenticated && refused.message().contains(why), "{refused}");
    }
    server.stop().await;
}

#[tokio::test]
async fn made_up_keys_cause_no_requests_and_an_api_that_is_away_is_named() {
    let signer = Signer::new("one");
    let cluster = Cluster::with_keys(&[&signer]).await;
    let folder = tempfile::tempdir().unwrap();
    let server = control_plane(&folder, cluster.accounts("keys"));
    for _ in 0..50 {
        let refused = refusal(&server, &Signer::new("made-up").sign(&claims()), greeting("web", "web-0")).await;
        assert_eq!(refused.code(), Code::Unauthenticated, "{refused}");
    }
    // Two for the keys, and perhaps again after a while on a slow machine.
    assert!(cluster.requests.load(Ordering::Relaxed) <= 20, "{:?}", cluster.requests);
    server.stop().await;

    // Nothing listens there any more, and nothing is known.
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let account = cluster.folder.path().to_owned();
    let away = Cluster { api: KubernetesApi::with_account(format!("https://localhost:{port}"), &account), ..cluster };
    let server = control_plane(&folder, away.accounts("keys"));
    for _ in 0..2 {
        let refused = refusal(&server, &signer.sign(&claims()), greeting("web", "web-0")).await;
        assert_eq!(refused.code(), Code::Unavailable, "{refused}");
        assert!(refused.message().contains("cannot be verified now") && refused.message().contains("no response"), "{refused}");
    }
    server.stop().await;
}

#[tokio::test]
async fn the_ca_is_published_in_a_config_map() {
    let (send, mut published) = tokio::sync::mpsc::unbounded_channel();
    let cluster = Cluster::start(move |path, body| {
        send.send((path.to_owned(), body.to_owned())).unwrap();
        json!({})
    })
    .await;
    let drain = CancellationToken::new();
    let config_map = CaConfigMap { api: cluster.api.clone(), name: "sitio-ca".to_owned() };
    let publishing = TaskTracker::new().spawn(config_map.keep_published("a certificate".to_owned(), drain.clone()));

    let (path, body) = tokio::time::timeout(SOON, published.recv()).await.unwrap().unwrap();
    assert_eq!(path, "/api/v1/namespaces/mesh/configmaps/sitio-ca?fieldManager=sitio&force=true");
    let object: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&object["kind"], &object["data"]["ca.crt"]), (&json!("ConfigMap"), &json!("a certificate")));
    drain.cancel();
    publishing.await.unwrap();
}
