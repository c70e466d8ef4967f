//! The gRPC server: accepts sidecars, and runs each stream in a task of its own.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use platform::connection_slots::{Bounds, ConnectionSlots};
use proto::wire::mesh_server::{Mesh, MeshServer};
use proto::wire::{Down, Up};
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::task::TaskTracker;
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

use crate::address_limiter::AddressLimiter;
use crate::grpc::admission::{Admission, AdmissionPolicy};
use crate::grpc::connections::{ConnectionSource, StreamPeer, connections};
use crate::grpc::stream::SidecarStream;
use crate::model::limits::PODS_MAX;
use crate::state::AppState;

pub mod admission;
pub mod connections;
mod pages;
pub mod secured;
mod slot_assignment;
mod stream;
mod stream_events;
mod taps;
mod windows;

/// Limit of one message in bytes. A report of 1,024 endpoints with 2,048 samples is about half of
/// that.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// Limit of all headers of a stream in bytes: a token and what gRPC needs.
const HEADER_BYTES_MAX: u32 = 16 << 10;

/// Limit of connections: one for each pod, and as many again that replace hanging ones.
const CONNECTIONS_MAX: usize = 2 * PODS_MAX;

/// Limit of streams on one connection. A sidecar has one; a proxy in front may put many on one, and
/// RFC 9113 (section 6.5.2) asks for a hundred at least.
const STREAMS_PER_CONNECTION_MAX: u32 = 128;

/// Limit of queued messages to one sidecar. A sidecar reads them as they arrive; one that does not
/// is disconnected.
const DOWN_MAX: usize = 8;

/// What one stream may send ahead of the control plane's reading, in bytes. The library would allow 1 MiB, also to a
/// connection whose streams are not read.
const WINDOW_BYTES: u32 = 64 << 10;

/// How often a silent connection is pinged, and how long it may take to answer.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// The gRPC service that sidecars call.
struct MeshService {
    state: Arc<AppState>,
    admission: Admission,
    slots: Arc<Semaphore>,
    /// Streams by address.
    addresses: AddressLimiter,
    streams_per_address_max: usize,
    streams: TaskTracker,
}

/// Serves sidecars until drained, and returns when the last stream has ended.
pub async fn run(state: Arc<AppState>, source: impl ConnectionSource, admission: AdmissionPolicy) -> anyhow::Result<()> {
    let streams_per_address_max = admission.streams_per_address_max;
    let drain = state.drain.clone();
    let streams = TaskTracker::new();
    let admission = Admission::new(admission, Arc::clone(&state));
    // A stream may replace one that hangs, so there may be twice as many connections as streams.
    let bounds = Bounds { all: CONNECTIONS_MAX, of_address: 2 * streams_per_address_max, reserve: 0 };
    let incoming = connections(source, ConnectionSlots::new(bounds), Arc::clone(&state));
    let service = MeshService {
        state,
        admission,
        slots: Arc::new(Semaphore::new(PODS_MAX)),
        addresses: AddressLimiter::default(),
        streams_per_address_max,
        streams: streams.clone(),
    };
    let mesh = MeshServer::new(service).max_decoding_message_size(MESSAGE_BYTES_MAX);
    Server::builder()
        .max_concurrent_streams(STREAMS_PER_CONNECTION_MAX)
        .http2_max_header_list_size(HEADER_BYTES_MAX)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(4 * WINDOW_BYTES)
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .add_service(mesh)
        .serve_with_incoming_shutdown(incoming, drain.cancelled_owned())
        .await
        .context("serve sidecars")?;
    streams.close();
    streams.wait().await;
    Ok(())
}

#[tonic::async_trait]
impl Mesh for MeshService {
    type AttachStream = ReceiverStream<Result<Down, Status>>;

    async fn attach(&self, up: Request<Streaming<Up>>) -> Result<Response<Self::AttachStream>, Status> {
        let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else {
            self.state.stream_counts.crowded_out.up();
            return Err(Status::resource_exhausted(format!("{PODS_MAX} sidecars are attached, which is the limit")));
        };
        let StreamPeer { address: peer, activity, .. } =
            up.extensions().get::<StreamPeer>().cloned().expect("every connection has a StreamPeer");
        let Some(of_address) = self.addresses.acquire(peer, self.streams_per_address_max) else {
            self.state.stream_counts.address_crowded.up();
            return Err(Status::resource_exhausted(format!(
                "{peer} holds as many streams as one address may: raise SITIO_STREAMS_PER_ADDRESS_MAX if many sidecars share it"
            )));
        };
        // It may ask the Kubernetes API, so it has a place first.
        let identity = self.admission.admit(&up).await?;
        let in_flight = activity.begin();
        let (down, rest) = mpsc::channel(DOWN_MAX);
        let stream = SidecarStream::new(Arc::clone(&self.state), peer, identity, up.into_inner(), down);
        self.streams.spawn(async move {
            stream.run().await;
            drop((slot, of_address, in_flight));
        });
        Ok(Response::new(ReceiverStream::new(rest)))
    }
}
