//! A webhook as a cluster sees it: behind a Service's name, with a CA bundle that it has published itself.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use control_plane::kubernetes_api::KubernetesApi;
use control_plane::tls::{ServerCertificate, TlsTransport, acceptor};
use control_plane::webhook;
use control_plane::webhook::settings::{SidecarTrust, WebhookOptions};
use inject::settings::InjectionSettings;
use platform::connection_slots::Bounds;
use platform::http::{PortLimits, serve_over};
use reqwest::{Certificate, Client, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The name by which the API server reaches the webhook.
const NAME: &str = "sitio-webhook.mesh.svc";

/// How long anything may take that happens soon.
const SOON: Duration = Duration::from_secs(20);

/// The limits of the API server of the test.
const LIMITS: PortLimits = PortLimits {
    connections: Bounds { all: 16, of_address: 16, reserve: 0 },
    head_within: SOON,
    body_within: SOON,
    write_within: SOON,
    head_bytes_max: 64 << 10,
    lasts: None,
    probes: &[],
};

/// A webhook, and the part of an API server that it uses: one MutatingWebhookConfiguration.
pub(super) struct Cluster {
    /// The configuration, as the webhook has changed it.
    pub(super) configuration: watch::Receiver<Value>,
    webhook: SocketAddr,
    tasks: JoinSet<()>,
    drain: CancellationToken,
    _folders: [TempDir; 2],
}

impl Cluster {
    /// Starts both, and waits until the CA bundle is published.
    pub(super) async fn start(configuration: Value) -> Self {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let [account, data_dir] = [folders[0].path().to_owned(), folders[1].path().to_owned()];
        let (sender, mut configuration) = watch::channel(configuration);
        let (mut tasks, drain) = (JoinSet::new(), CancellationToken::new());
        let url = serve_api(&account, sender, &mut tasks, drain.clone()).await;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let webhook = listener.local_addr().unwrap();
        let options = WebhookOptions {
            data_dir,
            names: vec![NAME.to_owned()],
            configuration: "sitio".to_owned(),
            injection: InjectionSettings::default(),
            trust: SidecarTrust::OwnCa,
            api: KubernetesApi::with_account(url, &account),
        };
        let running = webhook::run(options, listener, drain.clone());
        tasks.spawn(async move { running.await.unwrap() });
        let is_published = |configuration: &Value| configuration["webhooks"][0]["clientConfig"]["caBundle"].is_string();
        tokio::time::timeout(SOON, configuration.wait_for(is_published)).await.expect("the CA bundle is published").unwrap();
        Self { configuration, webhook, tasks, drain, _folders: folders }
    }

    /// A client that trusts the published bundle and nothing else, and asks for the Service's name.
    pub(super) fn api_server(&self) -> Client {
        let bundle = self.configuration.borrow()["webhooks"][0]["clientConfig"]["caBundle"].as_str().unwrap().to_owned();
        let bundle = BASE64_STANDARD.decode(bundle).unwrap();
        api::client::trust::choose_ring();
        let client = Client::builder().no_proxy().https_only(true).resolve(NAME, self.webhook);
        client.tls_certs_only(Certificate::from_pem_bundle(&bundle).unwrap()).build().unwrap()
    }

    /// Posts a review.
    pub(super) async fn post(&self, body: impl Into<reqwest::Body>) -> Response {
        let url = format!("https://{NAME}:{}/inject?timeout=5s", self.webhook.port());
        self.api_server().post(url).header("content-type", "application/json").body(body).send().await.unwrap()
    }

    /// The answer to a review.
    pub(super) async fn review(&self, review: &Value) -> Value {
        let response = self.post(review.to_string()).await;
        assert_eq!(response.status(), 200);
        let answer: Value = response.json().await.unwrap();
        assert_eq!((&answer["apiVersion"], &answer["kind"]), (&review["apiVersion"], &review["kind"]));
        assert_eq!(answer["response"]["uid"], review["request"]["uid"]);
        assert_eq!(answer["response"]["allowed"], true, "no pod is ever refused");
        answer["response"].clone()
    }

    /// The address of the webhook's port.
    pub(super) fn address(&self) -> SocketAddr {
        self.webhook
    }

    /// Ends both, and waits for them.
    pub(super) async fn end(mut self) {
        self.drain.cancel();
        while let Some(ended) = tokio::time::timeout(SOON, self.tasks.join_next()).await.expect("a drain ends soon") {
            ended.unwrap();
        }
    }
}

/// Serves one configuration as an API server does; returns its URL. Its credentials are written into the folder.
async fn serve_api(account: &Path, state: watch::Sender<Value>, tasks: &mut JoinSet<()>, drain: CancellationToken) -> String {
    let certificate = ServerCertificate::of_own_ca(account, vec!["localhost".to_owned()]).unwrap();
    std::fs::write(account.join("token"), "the-pods-token").unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let path = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/sitio";
    let routes = Router::new().route(path, get(read).patch(apply)).with_state(Arc::new(state));
    let tls = TlsTransport(acceptor(certificate, b"http/1.1").unwrap());
    tasks.spawn(async move { serve_over(listener, tls, routes, LIMITS, drain).await });
    url
}

async fn read(State(state): State<Arc<watch::Sender<Value>>>, headers: HeaderMap) -> Json<Value> {
    assert_eq!(headers["authorization"], "Bearer the-pods-token");
    Json(state.borrow().clone())
}

/// Server-side apply of CA bundles: webhooks are found by name, and other fields stay.
async fn apply(
    State(state): State<Arc<watch::Sender<Value>>>,
    Query(query): Query<Value>,
    headers: HeaderMap,
    body: String,
) -> Json<Value> {
    assert_eq!(headers["content-type"], "application/apply-patch+yaml");
    assert_eq!(query, json!({"fieldManager": "sitio", "force": "true"}));
    let applied: Value = serde_json::from_str(&body).unwrap();
    state.send_modify(|configuration| {
        for webhook in applied["webhooks"].as_array().unwrap() {
            let fields: Vec<&String> = webhook.as_object().unwrap().keys().collect();
            assert_eq!(fields, ["name", "clientConfig"], "nothing else is touched");
            let all = configuration["webhooks"].as_array_mut().unwrap();
            let found = all.iter_mut().find(|candidate| candidate["name"] == webhook["name"]).unwrap();
            found["clientConfig"]["caBundle"] = webhook["clientConfig"]["caBundle"].clone();
        }
    });
    Json(state.borrow().clone())
}
