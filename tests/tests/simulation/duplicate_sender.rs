//! A simulated sidecar that sends duplicate and late messages, also on superseded streams, and must be counted right.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use mesh::callers::Callers;
use mesh::endpoint::Endpoint;
use mesh::golden::GoldenMetrics;
use mesh::report::{Coverage, EndpointReport, Report};
use mesh::workload::Workload;
use proto::convert::greeting::Greeting;
use proto::convert::live::Encoder;
use proto::wire::mesh_client::MeshClient;
use proto::wire::{Live, Up, up};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint as Target};
use tonic::{Request, Streaming};
use tower::service_fn;
use turmoil::net::TcpStream;

use crate::network::{CONTROL_PLANE, PORT};

/// Its host name in the simulated network.
pub(crate) const HOST: &str = "duplicate-sender";

/// The route of its requests.
pub(crate) const ROUTE: &str = "/route-of-the-duplicate-sender";

/// Its only process.
#[derive(Clone)]
pub(crate) struct DuplicateSender {
    pub(crate) seed: u64,
    pub(crate) recorded: Arc<AtomicU64>,
    pub(crate) calm: CancellationToken,
}

/// One of its streams.
struct Stream {
    up: mpsc::Sender<Up>,
    _down: Streaming<proto::wire::Down>,
    encoder: Encoder,
    seq: u64,
}

impl DuplicateSender {
    pub(crate) async fn run(self) -> turmoil::Result {
        let mut random = StdRng::seed_from_u64(self.seed ^ 0xabcd);
        let mut session = 0;
        // Superseded streams are kept, and sometimes used again.
        let mut streams: Vec<Stream> = Vec::new();
        loop {
            session += 1;
            let Ok(Ok(stream)) = tokio::time::timeout(Duration::from_secs(3), Stream::open(session)).await else {
                sleep(Duration::from_millis(500)).await;
                continue;
            };
            streams.push(stream);
            streams.drain(..streams.len().saturating_sub(3));
            self.talk(&mut streams, &mut random).await;
        }
    }

    /// Sends valid frames on the newest stream and invalid ones on the others, until the stream breaks or the turn
    /// ends.
    async fn talk(&self, streams: &mut [Stream], random: &mut StdRng) {
        let mut output = self.recorded.load(Relaxed);
        let (newest, older) = streams.split_last_mut().unwrap();
        let snapshot = next_frame(newest, Coverage::Snapshot, output);
        if !newest.say(snapshot).await {
            return;
        }
        for _ in 0..random.random_range(3..40) {
            if !self.calm.is_cancelled() {
                self.recorded.fetch_add(random.random_range(1..9), Relaxed);
            }
            let now = self.recorded.load(Relaxed);
            let frame = next_frame(newest, Coverage::Change, now - output);
            for _ in 0..random.random_range(1..4) {
                if !newest.say(frame.clone()).await {
                    return;
                }
            }
            output = now;
            for stream in older.iter_mut() {
                let late = next_frame(stream, Coverage::Change, 1000);
                stream.say(late).await;
            }
            sleep(Duration::from_millis(random.random_range(50..900))).await;
        }
    }
}

/// The next frame of a stream, with this number of hits.
fn next_frame(stream: &mut Stream, coverage: Coverage, hits: u64) -> Live {
    stream.seq += 1;
    let mut golden = GoldenMetrics::default();
    golden.hits = hits;
    golden.add_status(200, hits);
    let endpoint = Endpoint::named("GET", ROUTE).unwrap();
    let endpoints = vec![EndpointReport {
        endpoint,
        is_file: false,
        in_flight: 0,
        seen: None,
        golden,
        callers: Callers::default(),
        recent: Vec::new(),
    }];
    let report = Report { seq: stream.seq, coverage, at_ms: 1_700_000_000_000, endpoints, resources: None, rules: Vec::new() };
    stream.encoder.encode(&report)
}

impl Stream {
    async fn open(session: u32) -> Result<Self, Box<dyn std::error::Error>> {
        let connect = service_fn(|_| async { TcpStream::connect((CONTROL_PLANE, PORT)).await.map(TokioIo::new) });
        let channel: Channel = Target::from_shared(format!("http://{CONTROL_PLANE}:{PORT}"))?
            .http2_keep_alive_interval(Duration::from_secs(4))
            .keep_alive_timeout(Duration::from_secs(4))
            .connect_with_connector(connect)
            .await?;
        let workload = Workload {
            namespace: "default".into(),
            service: "shop".into(),
            pod: "duplicate-sender".into(),
            pod_uid: "uid-duplicate-sender".into(),
            node: String::new(),
            addresses: vec![],
            version: "0.1.0".into(),
        };
        let greeting =
            Greeting { workload, epoch: 1_700_000_000_000_000_000, session, protected: Vec::new(), uptime: None, known: None };
        let (up, rest) = mpsc::channel(64);
        up.send(Up { message: Some(up::Message::Hello(greeting.into())) }).await?;
        let mut down = MeshClient::new(channel).attach(Request::new(ReceiverStream::new(rest))).await?.into_inner();
        down.message().await?.ok_or("it was not welcomed")?;
        Ok(Self { up, _down: down, encoder: Encoder::default(), seq: 0 })
    }

    async fn say(&self, live: Live) -> bool {
        let said = self.up.send(Up { message: Some(live.into()) });
        matches!(tokio::time::timeout(Duration::from_secs(2), said).await, Ok(Ok(())))
    }
}
