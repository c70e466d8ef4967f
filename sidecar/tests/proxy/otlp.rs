//! Tests the export of spans and metrics against a collector made of OpenTelemetry's generated types.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{MetricsService, MetricsServiceServer};
use opentelemetry_proto::tonic::collector::metrics::v1::{ExportMetricsServiceRequest, ExportMetricsServiceResponse};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::metrics::v1::{Metric, metric::Data, number_data_point};
use opentelemetry_proto::tonic::trace::v1::Span;
use sidecar::config::SidecarOptions;
use sidecar::sidecar::{SidecarListeners, run};
use sidecar::timeouts::Timeouts;
use tokio::task::JoinSet;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

/// Only ends a test that hangs; nothing here takes long.
const PATIENCE: Duration = Duration::from_secs(30);

/// A span, and the attributes of its resource.
type Taken = (Vec<KeyValue>, Span);

/// What a collector has received.
#[derive(Clone, Default)]
struct Collector {
    spans: Arc<Mutex<Vec<Taken>>>,
    metrics: Arc<Mutex<Vec<Metric>>>,
    keys: Arc<Mutex<Vec<String>>>,
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(&self, request: Request<ExportTraceServiceRequest>) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let key = request.metadata().get("api-key").map(|key| key.to_str().unwrap().to_owned());
        self.keys.lock().unwrap().extend(key);
        for resource_spans in request.into_inner().resource_spans {
            let resource = resource_spans.resource.unwrap().attributes;
            let spans = resource_spans.scope_spans.into_iter().flat_map(|scope| scope.spans);
            self.spans.lock().unwrap().extend(spans.map(|span| (resource.clone(), span)));
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Collector {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let scopes = request.into_inner().resource_metrics.into_iter().flat_map(|resource| resource.scope_metrics);
        *self.metrics.lock().unwrap() = scopes.flat_map(|scope| scope.metrics).collect();
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

impl Collector {
    /// Listens on a free port, or on this one.
    async fn listen(&self, tasks: &mut JoinSet<()>, port: u16) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (traces, metrics) = (TraceServiceServer::new(self.clone()), MetricsServiceServer::new(self.clone()));
        tasks.spawn(async move {
            let router = Server::builder().add_service(traces).add_service(metrics);
            router.serve_with_incoming(TcpListenerStream::new(listener)).await.unwrap();
        });
        address
    }
}

/// A sidecar configured by these variables, in front of a service that always answers `ok`.
struct World {
    traffic: SocketAddr,
    admin: SocketAddr,
    drain: CancellationToken,
    tasks: JoinSet<()>,
}

impl World {
    fn start(variables: &[(&str, &str)]) -> Self {
        let service = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = service.local_addr().unwrap();
        thread::spawn(move || service.incoming().for_each(|stream| drop(thread::spawn(|| serve(stream.unwrap())))));
        let owned = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut options = SidecarOptions::from_settings([], owned).unwrap();
        options.proxy.target = target.into();
        options.drain_grace = Duration::ZERO;
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listeners = SidecarListeners::bind(any, any, Timeouts::default().keepalive).unwrap();
        let [traffic, admin] = [&listeners.traffic, &listeners.admin].map(|listener| listener.local_addr().unwrap());
        let (drain, mut tasks) = (CancellationToken::new(), JoinSet::new());
        let reported = drain.clone();
        tasks.spawn(async move { run(options, listeners, reported).await.unwrap() });
        Self { traffic, admin, drain, tasks }
    }

    async fn ask(&self, path: &'static str, fields: &'static str) -> String {
        ask(self.traffic, path, fields).await
    }

    /// The value of one counter.
    async fn metric(&self, name: &str) -> u64 {
        let page = ask(self.admin, "/metrics", "").await;
        page.lines()
            .find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
            .unwrap_or_else(|| panic!("no {name} in {page}"))
    }

    async fn leave(mut self) {
        self.drain.cancel();
        tokio::time::timeout(PATIENCE, self.tasks.join_next()).await.unwrap().unwrap().unwrap();
    }
}

fn serve(mut stream: TcpStream) {
    let mut bytes = [0; 4096];
    while let Ok(1..) = stream.read(&mut bytes) {
        let status = if bytes.starts_with(b"GET /broken") { "500 Broken" } else { "200 OK" };
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nok");
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

async fn ask(address: SocketAddr, path: &'static str, fields: &'static str) -> String {
    let asking = move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: web\r\nConnection: close\r\n{fields}\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    tokio::task::spawn_blocking(asking).await.unwrap()
}

/// Polls `look` until it returns a value.
async fn eventually<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    Some(match found.value.clone()?.value? {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        other => panic!("{key} is {other:?}"),
    })
}

const PARENT: &str = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n";
const UNSAMPLED: &str = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4737-00f067aa0ba902b7-00\r\n";

#[tokio::test]
async fn each_sampled_exchange_is_a_span_of_its_callers_trace() {
    let (collector, mut tasks) = (Collector::default(), JoinSet::new());
    let address = collector.listen(&mut tasks, 0).await;
    let world = World::start(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{address}")),
        ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=one%20two"),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test"),
        ("POD_NAME", "web-0"),
    ]);
    world.ask("/users/42?token=secret", PARENT).await;
    world.ask("/unsampled", UNSAMPLED).await;
    world.ask("/broken", "").await;

    let spans = eventually(|| Some(collector.spans.lock().unwrap().clone()).filter(|spans| spans.len() >= 2)).await;
    assert_eq!(spans.len(), 2, "the caller of the third does not record: {spans:?}");
    let (resource, span) = &spans[0];
    assert_eq!(text(resource, "service.name").unwrap(), "web");
    assert_eq!(text(resource, "k8s.pod.name").unwrap(), "web-0");
    assert_eq!(text(resource, "deployment.environment.name").unwrap(), "test");
    assert_eq!((span.name.as_str(), span.kind), ("GET /users/{id}", 2));
    assert_eq!(span.trace_id, 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736_u128.to_be_bytes());
    assert_eq!((span.parent_span_id.clone(), span.span_id.len()), (0x00f0_67aa_0ba9_02b7_u64.to_be_bytes().to_vec(), 8));
    assert_eq!(span.flags, 0x301, "sampled, and the parent is elsewhere");
    let attributes = ["http.request.method", "http.route", "url.path", "http.response.status_code", "client.address"];
    let reported = attributes.map(|key| text(&span.attributes, key).unwrap());
    assert_eq!(reported, ["GET", "/users/{id}", "/users/42", "200", "127.0.0.1"]);
    assert!(span.end_time_unix_nano > span.start_time_unix_nano && span.status.is_none(), "{span:?}");
    let (_, root) = &spans[1];
    assert!(root.parent_span_id.is_empty() && root.trace_id.len() == 16 && root.trace_id != span.trace_id, "{root:?}");
    assert_eq!((text(&root.attributes, "error.type").unwrap(), root.status.clone().unwrap().code), ("500".to_owned(), 2));
    assert_eq!(collector.keys.lock().unwrap()[0], "one two");
    world.leave().await;
}

#[tokio::test]
async fn the_last_numbers_are_exported_at_the_end_in_the_standard_buckets() {
    let (collector, mut tasks) = (Collector::default(), JoinSet::new());
    let address = collector.listen(&mut tasks, 0).await;
    let endpoint = format!("http://{address}");
    let world = World::start(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint), ("OTEL_TRACES_EXPORTER", "none")]);
    for _ in 0..5 {
        world.ask("/users/42", "").await;
    }
    world.leave().await;

    assert!(collector.spans.lock().unwrap().is_empty());
    let metrics = collector.metrics.lock().unwrap().clone();
    let named = |name: &str| metrics.iter().find(|metric| metric.name == name).unwrap().data.clone().unwrap();
    let Data::ExponentialHistogram(duration) = named("http.server.request.duration") else { panic!("{metrics:?}") };
    let point =
        duration.data_points.iter().find(|point| text(&point.attributes, "http.route").unwrap() == "/users/{id}").unwrap();
    assert_eq!((duration.aggregation_temporality, point.scale, point.count), (2, 3, 5));
    assert!(point.start_time_unix_nano < point.time_unix_nano);
    let buckets = point.positive.clone().unwrap();
    assert_eq!(buckets.bucket_counts.iter().sum::<u64>() + point.zero_count, 5);
    let end_s = (f64::from(buckets.offset + buckets.bucket_counts.len() as i32) / 8.0).exp2();
    let longest_s = point.max.unwrap();
    assert!(
        end_s >= longest_s && end_s <= longest_s * 1.091,
        "the highest bucket ends at {end_s} s, the longest took {longest_s} s"
    );
    let Data::Sum(requests) = named("sitio.requests") else { panic!("{metrics:?}") };
    let counted: i64 = requests
        .data_points
        .iter()
        .filter(|point| text(&point.attributes, "http.response.status_code").unwrap() == "200")
        .map(|point| if let Some(number_data_point::Value::AsInt(count)) = point.value { count } else { panic!("{point:?}") })
        .sum();
    assert_eq!((requests.is_monotonic, counted), (true, 5));
    let Data::Histogram(sizes) = named("http.server.response.body.size") else { panic!("{metrics:?}") };
    let sizes: Vec<_> = sizes.data_points.iter().map(|point| (point.count, point.sum, point.bucket_counts.clone())).collect();
    assert!(sizes.contains(&(5, Some(10.0), vec![5])), "{sizes:?}");
}

#[tokio::test]
async fn a_collector_that_is_away_affects_nothing_and_is_used_when_it_returns() {
    // A silent listener holds the port, until the collector takes it over.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let endpoint = format!("http://127.0.0.1:{port}");
    let world = World::start(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "200"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "100"),
        ("OTEL_TRACES_SAMPLER", "always_on"),
    ]);
    assert!(world.ask("/a", UNSAMPLED).await.starts_with("HTTP/1.1 200 "));
    let until = Instant::now() + PATIENCE;
    while world.metric("sitio_otlp_metrics_failed_total ").await == 0 {
        assert!(Instant::now() < until, "nothing has failed");
    }
    assert!(world.ask("/b", "").await.starts_with("HTTP/1.1 200 "), "traffic goes on");

    drop(silent);
    let (collector, mut tasks) = (Collector::default(), JoinSet::new());
    collector.listen(&mut tasks, port).await;
    eventually(|| (!collector.metrics.lock().unwrap().is_empty()).then_some(())).await;
    let reported = async {
        loop {
            let (sent, dropped) =
                (world.metric("sitio_otlp_spans_total ").await, world.metric("sitio_otlp_spans_dropped_total ").await);
            if sent + dropped >= 2 {
                return (sent, dropped);
            }
        }
    };
    let (sent, dropped) = tokio::time::timeout(PATIENCE, reported).await.unwrap();
    assert_eq!(sent + dropped, 2, "each is sent or counted as dropped");
    assert!(collector.spans.lock().unwrap().len() as u64 >= sent);
    world.leave().await;
}

#[tokio::test]
async fn a_collector_that_never_comes_does_not_hold_up_the_end() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let world = World::start(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)]);
    world.ask("/a", "").await;
    world.leave().await;
}
