//! The sign-in at a provider that sends hostile id tokens, and sessions whose grants are of another configuration.
#![expect(clippy::unwrap_used, reason = "a test may end by it")]

use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{COOKIE, LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use clap::Parser;
use control_plane::access::guard;
use control_plane::access::sessions::file::SessionPlace;
use control_plane::access::settings::SignInSettings;
use control_plane::clock::now_ms;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use ring::{hmac, signature};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tower::ServiceExt;

const CLIENT: &str = "sitio";
const KID: &str = "one";

/// A provider that answers with whatever token the test gives it.
struct HostileProvider {
    issuer: String,
    key: EcdsaKeyPair,
    id_token: Arc<Mutex<String>>,
    _tasks: JoinSet<()>,
}

impl HostileProvider {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let (key, id_token) = (key(), Arc::<Mutex<String>>::default());
        let configuration = json!({
            "issuer": issuer, "authorization_endpoint": format!("{issuer}/authorize"), "jwks_uri": format!("{issuer}/keys"),
            "token_endpoint": format!("{issuer}/token"),
        });
        let keys = json!({"keys": [jwk(&key)]});
        let routes = Router::new()
            .route("/.well-known/openid-configuration", get(|| async { Json(configuration) }))
            .route("/keys", get(|| async { Json(keys) }))
            .route("/token", post(token))
            .with_state(Arc::clone(&id_token));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { issuer, key, id_token, _tasks: tasks }
    }

    /// The claims of a right token.
    fn claims(&self, nonce: &str) -> Value {
        let now = now_ms() / 1000;
        json!({
            "iss": self.issuer, "aud": CLIENT, "sub": "1", "exp": now + 300, "iat": now, "nonce": nonce,
            "preferred_username": "anna", "groups": ["admins"],
        })
    }

    fn sign(&self, claims: &Value) -> String {
        signed(&self.key, &json!({"alg": "ES256", "kid": KID}), claims)
    }
}

async fn token(State(id_token): State<Arc<Mutex<String>>>) -> Json<Value> {
    let id_token = id_token.lock().unwrap().clone();
    Json(json!({"access_token": "a", "token_type": "Bearer", "id_token": id_token}))
}

fn key() -> EcdsaKeyPair {
    let random = SystemRandom::new();
    let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.as_ref(), &random).unwrap()
}

fn jwk(key: &EcdsaKeyPair) -> Value {
    let (x, y) = key.public_key().as_ref()[1..].split_at(32);
    json!({"use": "sig", "kty": "EC", "kid": KID, "crv": "P-256", "alg": "ES256", "x": encoded(x), "y": encoded(y)})
}

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn message(header: &Value, claims: &Value) -> String {
    format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()))
}

fn signed(key: &EcdsaKeyPair, header: &Value, claims: &Value) -> String {
    let message = message(header, claims);
    let signature: signature::Signature = key.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
    format!("{message}.{}", encoded(signature.as_ref()))
}

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    sign_in: SignInSettings,
}

/// The HTTP port of a control plane whose people sign in at the provider.
async fn control_plane(provider: &HostileProvider, data: &Path, roles: &str) -> Router {
    let arguments = ["sitio", "--oidc-issuer", &provider.issuer, "--oidc-client-id", CLIENT, "--oidc-roles", roles];
    let Line { sign_in } = Line::try_parse_from(arguments).unwrap();
    let public_url = "http://127.0.0.1:8090".parse().unwrap();
    let access = sign_in.open(SessionPlace::Folder(data.to_owned()), None, Some(public_url), "".parse().unwrap()).await.unwrap();
    guard(access, Router::new().route("/", get(|| async { "the overview" })))
}

async fn ask(routes: &Router, path: &str, cookie: &str) -> (StatusCode, HeaderMap) {
    let request = Request::get(path).header("host", "127.0.0.1:8090").header(COOKIE, cookie).body(Body::empty()).unwrap();
    let (head, _) = routes.clone().oneshot(request).await.unwrap().into_parts();
    (head.status, head.headers)
}

/// Goes to the provider and back, with the token that `id_token` makes of the sign-in's nonce; the status of the return,
/// and the cookie of a session if one was opened.
async fn sign_in(
    routes: &Router,
    provider: &HostileProvider,
    id_token: impl FnOnce(&str) -> String,
) -> (StatusCode, Option<String>) {
    let (status, headers) = ask(routes, "/sign-in/openid", "a=b").await;
    assert_eq!(status, 303);
    let query = headers[LOCATION].to_str().unwrap().split_once('?').unwrap().1;
    let part = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).unwrap().to_owned();
    let flow = headers[SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
    *provider.id_token.lock().unwrap() = id_token(&part("nonce"));
    let (status, headers) = ask(routes, &format!("/sign-in/openid/callback?code=c&state={}", part("state")), &flow).await;
    let cookies = headers.get_all(SET_COOKIE).iter().map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap());
    (status, cookies.filter(|cookie| cookie.starts_with("sitio_session=")).map(str::to_owned).next())
}

/// What is wrong with a token, and the token for a nonce.
type Hostile<'a> = (&'static str, Box<dyn FnOnce(&str) -> String + 'a>);

/// Tokens whose signature does not come from the provider's key, or that are no tokens.
fn wrongly_signed(provider: &HostileProvider) -> Vec<Hostile<'_>> {
    let by_header = |header: Value| -> Box<dyn FnOnce(&str) -> String + '_> {
        Box::new(move |nonce: &str| signed(&provider.key, &header, &provider.claims(nonce)))
    };
    let unsigned = |alg: &'static str| -> Box<dyn FnOnce(&str) -> String + '_> {
        Box::new(move |nonce: &str| format!("{}.", message(&json!({"alg": alg, "kid": KID}), &provider.claims(nonce))))
    };
    // The public key is known to all, so it must never be taken for a shared secret.
    let with_public_key = |secret: Vec<u8>| -> Box<dyn FnOnce(&str) -> String + '_> {
        Box::new(move |nonce: &str| {
            let message = message(&json!({"alg": "HS256", "kid": KID}), &provider.claims(nonce));
            let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), message.as_bytes());
            format!("{message}.{}", encoded(tag.as_ref()))
        })
    };
    let of_another_key = |nonce: &str| signed(&key(), &json!({"alg": "ES256", "kid": KID}), &provider.claims(nonce));
    let under_an_old_signature = |nonce: &str| {
        let right = provider.sign(&provider.claims(nonce));
        let mut claims = provider.claims(nonce);
        claims["preferred_username"] = json!("olga");
        format!("{}.{}", message(&json!({"alg": "ES256", "kid": KID}), &claims), right.rsplit('.').next().unwrap())
    };
    let point = provider.key.public_key().as_ref().to_vec();
    vec![
        ("no signature", unsigned("none")),
        ("no signature, in other letters", unsigned("NoNe")),
        ("no signature, of the right algorithm", unsigned("ES256")),
        ("HS256 with the public point", with_public_key(point.clone())),
        ("HS256 with its coordinates", with_public_key(point[1..].to_vec())),
        ("HS256 with the published key", with_public_key(jwk(&provider.key).to_string().into_bytes())),
        ("HS256 with no secret", with_public_key(Vec::new())),
        ("another algorithm in the header", by_header(json!({"alg": "RS256", "kid": KID}))),
        ("an unknown key", by_header(json!({"alg": "ES256", "kid": "two"}))),
        ("a key of its own in the header", by_header(json!({"alg": "ES256", "kid": "two", "jwk": jwk(&key())}))),
        ("a key that the provider does not have", Box::new(of_another_key)),
        ("another name under an old signature", Box::new(under_an_old_signature)),
        ("a short signature", Box::new(|nonce| provider.sign(&provider.claims(nonce))[..200].to_owned())),
        ("nothing", Box::new(|_| String::new())),
        ("points", Box::new(|_| "..".to_owned())),
        ("no base64", Box::new(|_| "ä.ö.ü".to_owned())),
        ("a megabyte", Box::new(|_| format!("{0}.{0}.{0}", "A".repeat(1 << 20)))),
    ]
}

/// Tokens of the provider that are not for this sign-in.
fn wrong_claims(provider: &HostileProvider) -> Vec<Hostile<'_>> {
    let now = now_ms() / 1000;
    let wrong = [
        ("the nonce of another sign-in", "nonce", json!("0".repeat(64))),
        ("no nonce", "nonce", Value::Null),
        ("a nonce that is no text", "nonce", json!(["x"])),
        ("another audience", "aud", json!("other")),
        ("no audience", "aud", Value::Null),
        ("audiences without ours", "aud", json!(["other", "third"])),
        ("an audience more, and no authorized party", "aud", json!([CLIENT, "other"])),
        ("issued to another client", "azp", json!("other")),
        ("another issuer", "iss", json!("https://evil.example")),
        ("no issuer", "iss", Value::Null),
        ("expired", "exp", json!(now - 3600)),
        ("no end", "exp", Value::Null),
        ("not valid yet", "nbf", json!(now + 3600)),
        ("no subject", "sub", Value::Null),
    ];
    let hostile = |(what, claim, value): (&'static str, &'static str, Value)| -> Hostile<'_> {
        let id_token = move |nonce: &str| {
            let mut claims = provider.claims(nonce);
            match value {
                Value::Null => drop(claims.as_object_mut().unwrap().shift_remove(claim)),
                value => claims[claim] = value,
            }
            provider.sign(&claims)
        };
        (what, Box::new(id_token))
    };
    wrong.into_iter().map(hostile).collect()
}

#[tokio::test]
async fn a_hostile_id_token_opens_no_session_and_the_next_right_one_does() {
    let (provider, data) = (HostileProvider::start().await, TempDir::new().unwrap());
    let routes = control_plane(&provider, data.path(), "admins=operator").await;
    for (what, id_token) in wrongly_signed(&provider).into_iter().chain(wrong_claims(&provider)) {
        let (status, session) = sign_in(&routes, &provider, id_token).await;
        assert_eq!((status, session), (StatusCode::BAD_GATEWAY, None), "{what}");
    }
    let (status, session) = sign_in(&routes, &provider, |nonce| provider.sign(&provider.claims(nonce))).await;
    assert_eq!(status, 303);
    assert_eq!(ask(&routes, "/", &session.unwrap()).await.0, 200);

    let for_both = |nonce: &str| {
        let mut claims = provider.claims(nonce);
        claims["aud"] = json!([CLIENT, "other"]);
        claims["azp"] = json!(CLIENT);
        provider.sign(&claims)
    };
    assert!(sign_in(&routes, &provider, for_both).await.1.is_some(), "several audiences, issued to us");
}

#[tokio::test]
async fn a_session_ends_when_roles_are_mapped_otherwise_and_survives_a_restart() {
    let (provider, data) = (HostileProvider::start().await, TempDir::new().unwrap());
    let routes = control_plane(&provider, data.path(), "admins=operator,staff=viewer").await;
    let (_, session) = sign_in(&routes, &provider, |nonce| provider.sign(&provider.claims(nonce))).await;
    let session = session.unwrap();

    let same = control_plane(&provider, data.path(), "admins=operator,staff=viewer").await;
    assert_eq!(ask(&same, "/", &session).await.0, 200);
    let other = control_plane(&provider, data.path(), "admins=viewer,staff=viewer").await;
    assert_eq!(ask(&other, "/", &session).await.0, 401, "sign in again");
}
