//! The limits of a downstream connection over HTTP/2.

use http2::limits::Limits;

use crate::exchange::context::WorkerContext;
use crate::upstream::http2::connection::{CONNECTION_WINDOW_BYTES, STREAM_WINDOW_BYTES};

/// The bytes that count for each field besides name and value (RFC 9113, section 6.5.2).
const FIELD_BYTES: usize = 32;

/// The limits of a connection of this worker.
pub(super) fn downstream(worker: &WorkerContext) -> Limits {
    let head = worker.limits();
    let section = head.head_bytes + head.fields * FIELD_BYTES;
    Limits {
        streams: worker.streams_max(),
        stream_window_bytes: STREAM_WINDOW_BYTES,
        connection_window_bytes: CONNECTION_WINDOW_BYTES,
        field_section_bytes: section,
        // A head that is a little too large gets its answer.
        field_block_bytes: 2 * section,
        extended_connect: worker.service.http2.extended_connect(),
        ..Limits::default()
    }
}
