//! The test harness: a control plane on free ports, an API client, and a fake sidecar.

use std::fmt::Debug;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant};

use control_plane::app::listeners::AppListeners;
use control_plane::app::options::AppOptions;
use control_plane::app::run;
use control_plane::clock::now_ms;
use mesh::callers::Callers;
use mesh::endpoint::Endpoint;
use mesh::golden::GoldenMetrics;
use mesh::report::{Coverage, EndpointReport, Report};
use mesh::rule::{DesiredRules, Receipt, RuleRefusal, Verdict};
use mesh::window::{Window, WindowKind, WindowRow};
use mesh::workload::Workload;
use proto::convert::greeting::Greeting;
use proto::convert::live::Encoder;
use proto::convert::rules::{desired_rules, unsealed};
use proto::convert::windows::encode_window;
use proto::wire;
use proto::wire::mesh_client::MeshClient;
use proto::wire::{Down, Up, down, up};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::transport::Channel;
use tonic::{Request, Status, Streaming};

/// Only ends a test that hangs, on a machine of any speed.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// A client that reuses no connection: the server closes an idle one after ten seconds, perhaps while a request is sent.
fn client() -> reqwest::Client {
    api::client::trust::plain().no_proxy().timeout(SOON).pool_max_idle_per_host(0).build().unwrap()
}

/// A running control plane.
pub(crate) struct TestControlPlane {
    pub(crate) http: SocketAddr,
    pub(crate) grpc: SocketAddr,
    pub(crate) drain: CancellationToken,
    running: JoinHandle<anyhow::Result<()>>,
    client: reqwest::Client,
}

impl TestControlPlane {
    /// Starts one with its data in this folder.
    pub(crate) fn start(folder: &Path) -> Self {
        Self::with(AppOptions::in_folder(folder))
    }

    pub(crate) fn with(options: AppOptions) -> Self {
        let listeners = AppListeners { http: free_port(), grpc: free_port(), webhook: None };
        let (http, grpc) = (listeners.http.local_addr().unwrap(), listeners.grpc.local_addr().unwrap());
        let drain = CancellationToken::new();
        let running = TaskTracker::new().spawn(run(options, listeners, drain.clone()));
        let client = client();
        Self { http, grpc, drain, running, client }
    }

    /// One that runs as a separate process, at these addresses.
    pub(crate) fn at(http: SocketAddr, grpc: SocketAddr) -> Self {
        let client = client();
        let running = TaskTracker::new().spawn(async { Ok(()) });
        Self { http, grpc, drain: CancellationToken::new(), running, client }
    }

    /// Stops it; fails if it waits for streams that stay open.
    pub(crate) async fn stop(self) {
        self.drain.cancel();
        let ended = tokio::time::timeout(SOON, self.running).await.expect("it ends although streams are open");
        ended.expect("it does not panic").expect("it ends well");
    }

    /// Connects a client of the stream.
    pub(crate) async fn dial(&self) -> MeshClient<Channel> {
        MeshClient::connect(format!("http://{}", self.grpc)).await.expect("it listens")
    }

    /// Attaches a pod: the first stream of its first process.
    pub(crate) async fn attach(&self, service: &str, pod: &str) -> FakeSidecar {
        self.attach_as(greeting(service, pod)).await
    }

    pub(crate) async fn attach_as(&self, greeting: Greeting) -> FakeSidecar {
        let mut sidecar = self.open().await;
        sidecar.greet(greeting).await;
        sidecar
    }

    /// Attaches a pod with this token, or returns why its call is refused.
    pub(crate) async fn attach_with(&self, token: &str, greeting: Greeting) -> Result<FakeSidecar, Status> {
        let (up, rest) = mpsc::channel(64);
        let mut request = Request::new(ReceiverStream::new(rest));
        request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        let down = self.dial().await.attach(request).await?.into_inner();
        let mut sidecar = FakeSidecar::new(up, down);
        sidecar.greet(greeting).await;
        Ok(sidecar)
    }

    /// Opens a stream without sending anything.
    pub(crate) async fn open(&self) -> FakeSidecar {
        let (up, rest) = mpsc::channel(64);
        let down = self.dial().await.attach(Request::new(ReceiverStream::new(rest))).await.expect("it is let in").into_inner();
        FakeSidecar::new(up, down)
    }

    /// Sends a request to the API.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> (StatusCode, Value) {
        let mut request = self.client.request(method.clone(), format!("http://{}{path}", self.http));
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.expect("it answers");
        let (status, text) = (response.status(), response.text().await.expect("it answers whole"));
        let value = serde_json::from_str(&text).unwrap_or_else(|why| panic!("{method} {path}: {status}: {why}: {text}"));
        (status, value)
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let (status, value) = self.ask(Method::GET, path, None).await;
        assert_eq!(status, StatusCode::OK, "GET {path}: {value}");
        value
    }

    /// The row of one endpoint since the pods started, or null.
    pub(crate) async fn row(&self, service: &str, route: &str) -> Value {
        let all = self.get("/api/v1/endpoints").await;
        let rows = all["endpoints"].as_array().unwrap();
        rows.iter().find(|row| row["service"] == service && row["route"] == route).cloned().unwrap_or_default()
    }

    /// Waits until a row has this many hits, and returns it.
    pub(crate) async fn row_with(&self, service: &str, route: &str, hits: u64) -> Value {
        eventually(async || {
            let row = self.row(service, route).await;
            if row["hits"] == hits { Ok(row) } else { Err(row) }
        })
        .await
    }

    pub(crate) async fn turn_off(&self, service: &str, route: &str) -> Value {
        let (status, rule) = self.ask(Method::POST, "/api/v1/rules", Some(&disable_command(service, route))).await;
        assert_eq!(status, StatusCode::CREATED, "{rule}");
        rule
    }

    /// Waits until the receipt of a pod for a rule is in this state.
    pub(crate) async fn receipt(&self, rule: &Value, pod: &str, state: &str) -> Value {
        let path = format!("/api/v1/rules/{}", rule["id"].as_str().unwrap());
        eventually(async || {
            let rule = self.get(&path).await;
            let receipts = rule["pods"].as_array().unwrap();
            let found = receipts.iter().find(|receipt| receipt["pod"] == pod && receipt["state"] == state);
            found.cloned().ok_or(rule)
        })
        .await
    }

    /// Waits until a pod is listed as connected.
    pub(crate) async fn wait_for_pod(&self, pod: &str) {
        eventually(async || {
            let pods = self.get("/api/v1/pods").await;
            let found = pods["pods"].as_array().unwrap().iter().any(|row| row["pod"] == pod && row["connected"] == true);
            if found { Ok(()) } else { Err(pods) }
        })
        .await;
    }
}

/// A fake sidecar that speaks the protocol.
pub(crate) struct FakeSidecar {
    up: mpsc::Sender<Up>,
    pub(crate) down: Streaming<Down>,
    encoder: Encoder,
    pub(crate) seq: u64,
    epoch_ms: u64,
    /// The callers of each endpoint that it reports.
    pub(crate) callers: Callers,
}

impl FakeSidecar {
    fn new(up: mpsc::Sender<Up>, down: Streaming<Down>) -> Self {
        Self { up, down, encoder: Encoder::default(), seq: 0, epoch_ms: 0, callers: Callers::default() }
    }

    async fn greet(&mut self, greeting: Greeting) {
        self.epoch_ms = greeting.epoch / 1_000_000;
        self.send(up::Message::Hello(greeting.into())).await;
    }

    pub(crate) async fn send(&self, message: up::Message) {
        // If the stream was cut off, the receiving half reports it.
        let _ = self.up.send(Up { message: Some(message) }).await;
    }

    /// Returns the next frame without sending it.
    pub(crate) fn frame(&mut self, coverage: Coverage, endpoints: &[(&str, GoldenMetrics)]) -> wire::Live {
        self.seq += 1;
        let endpoints = endpoints.iter().map(|(route, golden)| EndpointReport {
            endpoint: Endpoint::named("GET", route).unwrap(),
            is_file: false,
            in_flight: 0,
            seen: None,
            golden: golden.clone(),
            callers: self.callers.clone(),
            recent: vec![],
        });
        let at_ms = now_ms().max(self.epoch_ms);
        self.encoder.encode(&Report {
            seq: self.seq,
            coverage,
            at_ms,
            endpoints: endpoints.collect(),
            resources: None,
            rules: Vec::new(),
        })
    }

    /// Sends a window of one slot, or a baseline.
    pub(crate) async fn window(&mut self, id: u64, is_baseline: bool, endpoints: &[(&str, GoldenMetrics)]) {
        self.window_of((id, 1), is_baseline, endpoints).await;
    }

    pub(crate) async fn window_of(&mut self, (id, span): (u64, u32), is_baseline: bool, endpoints: &[(&str, GoldenMetrics)]) {
        let row = |(route, golden): &(&str, GoldenMetrics)| WindowRow {
            endpoint: Endpoint::named("GET", route).unwrap(),
            is_file: false,
            golden: golden.clone(),
            seen: None,
        };
        let kind = if is_baseline { WindowKind::Baseline } else { WindowKind::Change };
        let window = Window { id, span, kind, rows: endpoints.iter().map(row).collect() };
        let window = encode_window(&mut self.encoder, &window);
        self.send(window.into()).await;
    }

    pub(crate) async fn report(&mut self, coverage: Coverage, endpoints: &[(&str, GoldenMetrics)]) {
        let live = self.frame(coverage, endpoints);
        self.send(live.into()).await;
    }

    /// The next message, or why there is none.
    pub(crate) async fn next_message(&mut self) -> Result<Option<down::Message>, Status> {
        let received = tokio::time::timeout(SOON, self.down.message()).await.expect("something is said soon");
        Ok(received?.and_then(|down| down.message))
    }

    /// The next set of rules.
    pub(crate) async fn rules(&mut self) -> DesiredRules {
        loop {
            match self.next_message().await.expect("the stream is open").expect("the stream is open") {
                down::Message::Desired(desired) => {
                    return desired_rules(unsealed(&desired).unwrap()).expect("the set makes sense");
                }
                down::Message::Welcome(_) | down::Message::Acked(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Why the stream was ended.
    pub(crate) async fn ended(&mut self) -> Status {
        loop {
            match self.next_message().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("it ended without a reason"),
                Err(status) => return status,
            }
        }
    }

    pub(crate) async fn confirm(&self, revision: u64) {
        self.receipt(revision, Verdict::Applied).await;
    }

    pub(crate) async fn refuse(&self, revision: u64, rule: &str, why: &str) {
        self.receipt(revision, Verdict::Refused(vec![RuleRefusal { rule: rule.into(), why: why.into() }])).await;
    }

    async fn receipt(&self, revision: u64, verdict: Verdict) {
        self.send(up::Message::Applied(Receipt { revision, verdict, took_us: 31 }.into())).await;
    }
}

/// The greeting of the first stream of a pod's first process, which has just started.
pub(crate) fn greeting(service: &str, pod: &str) -> Greeting {
    let workload = Workload {
        namespace: "default".into(),
        service: service.into(),
        pod: pod.into(),
        pod_uid: format!("uid-{pod}"),
        node: String::new(),
        addresses: vec![],
        version: "0.1.0".into(),
    };
    Greeting { workload, epoch: now_ms() * 1_000_000, session: 1, protected: vec!["/healthz".into()], uptime: None, known: None }
}

/// This many responses with status 200, each of 10 ms and 100 bytes.
pub(crate) fn hits(hits: u64) -> GoldenMetrics {
    let mut golden = GoldenMetrics::default();
    golden.hits = hits;
    golden.total_us = hits * 10_000;
    golden.max_us = 10_000;
    golden.bytes_out = hits * 100;
    golden.latency.add(index_of_10_ms(), hits);
    golden.add_status(200, hits);
    golden
}

fn index_of_10_ms() -> i32 {
    let mut one = GoldenMetrics::default();
    one.latency.record(10_000);
    one.latency.buckets().next().map_or(0, |(index, _)| index)
}

/// The command to turn off an endpoint, whether or not it was ever called.
pub(crate) fn disable_command(service: &str, route: &str) -> Value {
    json!({
        "service": service, "method": "GET", "route": route, "action": {"disable": {"status": 503}},
        "ttl": "1h", "reason": "a test asks for it", "allow_unseen": true,
    })
}

/// Repeats `ask` until it succeeds; panics with the last error after [`SOON`].
pub(crate) async fn eventually<T, E: Debug>(mut ask: impl AsyncFnMut() -> Result<T, E>) -> T {
    let until = Instant::now() + SOON;
    loop {
        match ask().await {
            Ok(good) => return good,
            Err(bad) if Instant::now() > until => panic!("after {SOON:?} it is still {bad:?}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

fn free_port() -> TcpListener {
    TcpListener::bind(("127.0.0.1", 0)).expect("there is a free port")
}
