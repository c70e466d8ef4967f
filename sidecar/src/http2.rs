//! Serves a downstream connection that uses HTTP/2, for example gRPC. Each stream is an exchange.

use std::future::poll_fn;
use std::net::IpAddr;
use std::rc::Rc;
use std::task::Poll;

use http2::limits::Limits;

use crate::exchange::context::WorkerContext;
use crate::http2::connection::Http2Connection;
use crate::socket::buffered_conn::BufferedConn;
use crate::socket::deadlines::Deadline;
use crate::upstream::http2::{CONNECTION_WINDOW_BYTES, STREAM_WINDOW_BYTES};

mod connection;
mod downstream_events;
mod exchange_record;
mod exchanges;
mod field_list;
mod grpc;
mod own_response;
mod proxied_exchange;
mod request_head;
mod response_head;
mod transfer;
mod upstream_events;
mod upstreams;

/// The bytes that count for each field besides name and value (RFC 9113, section 6.5.2).
const FIELD_BYTES: usize = 32;

/// The downstream of a connection.
#[derive(Debug, Clone, Copy)]
pub struct DownstreamPeer<'a> {
    /// Its address.
    pub address: IpAddr,
    /// The header lines that describe the downstream to the service.
    pub forwarded: &'a str,
}

/// Serves the connection until it is closed. Bytes already read from it, such as the preface, come first.
pub async fn serve(worker: &Rc<WorkerContext>, downstream: &mut BufferedConn, timer: &Deadline, peer: DownstreamPeer<'_>) {
    let mut connection = Http2Connection::new(worker, downstream, timer, peer);
    poll_fn(|cx| connection.poll(cx)).await;
    let mut connection = Some(connection);
    poll_fn(|cx| {
        if let Some(connection) = connection.take() {
            connection.close(cx);
        }
        Poll::Ready(())
    })
    .await;
}

/// The limits of a downstream connection.
fn limits(worker: &WorkerContext) -> Limits {
    let head = worker.limits();
    let section = head.head_bytes + head.fields * FIELD_BYTES;
    Limits {
        streams: worker.streams_max(),
        stream_window_bytes: STREAM_WINDOW_BYTES,
        connection_window_bytes: CONNECTION_WINDOW_BYTES,
        field_section_bytes: section,
        // A head that is a little too large gets its answer.
        field_block_bytes: 2 * section,
        extended_connect: worker.http2.extended_connect(),
        ..Limits::default()
    }
}
