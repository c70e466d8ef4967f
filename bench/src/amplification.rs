//! A hostile sidecar that makes the control plane keep as much memory as possible per byte sent; counts the bytes.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use mesh::callers::{Callers, Calls};
use mesh::endpoint::Endpoint;
use mesh::exchange::Exchange;
use mesh::golden::GoldenMetrics;
use mesh::report::{Coverage, EndpointReport, Report};
use mesh::workload::Workload;
use prost::Message;
use proto::convert::greeting::Greeting;
use proto::convert::live::{DEFINITIONS_MAX, Encoder};
use proto::wire;
use proto::wire::mesh_client::MeshClient;
use proto::wire::{Up, up};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Request;

/// Bytes around a message: the header of an HTTP/2 frame and that of a gRPC message.
const FRAME_BYTES: usize = 9 + 5;

/// Bytes before the first message of a connection: the preface, settings and headers.
const CONNECTION_BYTES: usize = 24 + 40 + 200;

/// Capacity of the queue of messages to send.
const UP_MAX: usize = 4;

/// How long the control plane may take to read everything.
const READ_WITHIN: Duration = Duration::from_secs(60);

/// Endpoints of one stream: as many as it may define.
const ENDPOINTS: usize = DEFINITIONS_MAX;

/// Callers of one endpoint: as many as have a row of their own.
const CALLERS: u8 = 32;

/// Streams before the first measurement.
const WARM_UP_STREAMS: usize = 2;

/// An hour, in milliseconds.
const HOUR_MS: u64 = 3_600_000;

/// What an attack sends to occupy memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attack {
    /// The first report of a process that claims to be an hour old.
    ReportOfAnHour,
    /// New endpoints.
    NewEndpoint,
    /// The same rows in every report.
    RowASecond,
    /// A Hello, and nothing else.
    RememberedPod,
    /// Callers of endpoints.
    Callers,
    /// Failed exchanges of endpoints.
    Samples,
    /// Names of endpoints without any counts.
    Definitions,
}

impl Attack {
    /// All attacks.
    pub const EACH: [Self; 7] = [
        Self::ReportOfAnHour,
        Self::NewEndpoint,
        Self::RowASecond,
        Self::RememberedPod,
        Self::Callers,
        Self::Samples,
        Self::Definitions,
    ];

    /// Its name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::ReportOfAnHour => "report covering an hour",
            Self::NewEndpoint => "new endpoint",
            Self::RowASecond => "one row a second",
            Self::RememberedPod => "remembered pod",
            Self::Callers => "callers",
            Self::Samples => "samples",
            Self::Definitions => "definitions",
        }
    }

    /// The number of streams that it opens: so many that their endpoints are just below the share of one address, and
    /// that the pages of the allocator, a few for each thread and size, are a small part of the memory.
    fn streams(self) -> usize {
        match self {
            Self::RememberedPod => 10_000,
            Self::RowASecond => 2,
            _ => 13,
        }
    }

    /// Opens a few streams of the attack, so that each thread of the control plane allocates its one-time memory.
    pub async fn warm_up(self, control_plane: SocketAddr) -> anyhow::Result<()> {
        for stream in 0..WARM_UP_STREAMS {
            self.stream(control_plane, usize::MAX - stream).await?;
        }
        Ok(())
    }

    /// Runs the attack and returns the bytes sent.
    pub async fn run(self, control_plane: SocketAddr) -> anyhow::Result<usize> {
        let mut bytes = 0;
        for stream in 0..self.streams() {
            let sending = self.stream(control_plane, stream);
            bytes += tokio::time::timeout(READ_WITHIN, sending).await.context("the control plane reads too slowly")??;
        }
        Ok(bytes)
    }

    async fn stream(self, control_plane: SocketAddr, number: usize) -> anyhow::Result<usize> {
        let (up, rest) = mpsc::channel(UP_MAX);
        let mut bytes = CONNECTION_BYTES;
        let age_ms = if self == Self::ReportOfAnHour { HOUR_MS } else { 0 };
        let hello = self.hello(number, now_ms() - age_ms);
        let mut client = MeshClient::connect(format!("http://{control_plane}")).await.context("connect")?;
        bytes += send(&up, up::Message::Hello(hello.into())).await?;
        let mut down = client.attach(Request::new(ReceiverStream::new(rest))).await.context("attach")?.into_inner();
        let mut encoder = Encoder::default();
        for report in self.reports(number) {
            let live = match self {
                Self::Definitions => wire::Live { stats: vec![], ..encoder.encode(&report) },
                _ => encoder.encode(&report),
            };
            bytes += send(&up, live.into()).await?;
            if self == Self::RowASecond {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
        bytes += send(&up, up::Message::Bye(wire::Bye::default())).await?;
        // The control plane ends the stream once it has read everything.
        while down.message().await.context("the control plane refused it")?.is_some() {}
        Ok(bytes)
    }

    fn hello(self, number: usize, began_ms: u64) -> Greeting {
        let epoch = began_ms * 1_000_000;
        Greeting { workload: self.pod(number), epoch, session: 1, protected: vec![], uptime: None, known: None }
    }

    fn pod(self, number: usize) -> Workload {
        Workload {
            namespace: "n".into(),
            service: format!("{self:?}-{}", number % 8),
            pod: format!("p{number}"),
            pod_uid: format!("{self:?}{number}"),
            node: String::new(),
            addresses: vec![],
            version: String::new(),
        }
    }

    fn reports(self, stream: usize) -> Vec<Report> {
        let reports = match self {
            Self::RememberedPod => 0,
            Self::RowASecond => 20,
            _ => 1,
        };
        (1..=reports).map(|seq| report(seq, (0..ENDPOINTS).map(|number| self.row(stream, number)).collect())).collect()
    }

    fn row(self, stream: usize, number: usize) -> EndpointReport {
        let mut golden = GoldenMetrics::default();
        golden.hits = 1;
        golden.time(1000, 500);
        golden.add_status(if self == Self::Samples { 500 } else { 200 }, 1);
        let mut callers = Callers::default();
        if self == Self::Callers {
            for last in 0..CALLERS {
                callers.add(Some([10, stream as u8, number as u8, last].into()), Calls::one(now_ms(), false));
            }
            golden.hits = u64::from(CALLERS);
        }
        let endpoint = Endpoint::named("GET", &format!("/{stream}/{number}")).expect("it is a name");
        let failure = || Exchange { status: 500, started_ms: now_ms(), ..Exchange::default() };
        let recent = if self == Self::Samples { vec![failure(), failure()] } else { vec![] };
        EndpointReport { endpoint, is_file: false, in_flight: 0, seen: None, golden, callers, recent }
    }
}

fn report(seq: u64, endpoints: Vec<EndpointReport>) -> Report {
    let coverage = if seq == 1 { Coverage::Snapshot } else { Coverage::Change };
    Report { seq, coverage, at_ms: now_ms(), endpoints, resources: None, rules: Vec::new() }
}

async fn send(up: &mpsc::Sender<Up>, message: up::Message) -> anyhow::Result<usize> {
    let up_message = Up { message: Some(message) };
    let bytes = up_message.encoded_len() + FRAME_BYTES;
    up.send(up_message).await.ok().context("the stream has ended")?;
    Ok(bytes)
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
