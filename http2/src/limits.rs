//! The limits of a connection: what a peer may make us hold and do.

use crate::flow::{WINDOW_BYTES_DEFAULT, WINDOW_BYTES_MAX};
use crate::frame::PAYLOAD_BYTES_MIN;
use crate::hpack::TABLE_BYTES_DEFAULT;

/// What we announce to the peer, and the bounds that no setting announces.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Streams that a client may have open at once (SETTINGS_MAX_CONCURRENT_STREAMS). One more is refused with
    /// REFUSED_STREAM, so that the client can retry it elsewhere.
    pub streams: u32,
    /// The window of each stream (SETTINGS_INITIAL_WINDOW_SIZE): bytes of a body that wait for their consumer.
    pub stream_window_bytes: u32,
    /// The window of all streams together. It is the bound on received bytes that this connection makes us hold.
    pub connection_window_bytes: u32,
    /// The largest payload of a frame (SETTINGS_MAX_FRAME_SIZE).
    pub frame_bytes: usize,
    /// The size of the decoder's table (SETTINGS_HEADER_TABLE_SIZE).
    pub header_table_bytes: usize,
    /// The fields of a head or of trailers, with 32 bytes added for each (SETTINGS_MAX_HEADER_LIST_SIZE). A larger
    /// section is decoded to keep the table in step, but not stored.
    pub field_section_bytes: usize,
    /// The encoded bytes of a field section. It is higher than `field_section_bytes`, so that a section which is
    /// only a little too large costs its stream and not the connection.
    pub field_block_bytes: usize,
    /// CONTINUATION frames of a field block (CVE-2024-27316).
    pub continuations: u32,
    /// Replies to the peer's frames (SETTINGS and PING acknowledgements, RST_STREAM) that wait in the output. A
    /// peer that causes more does not read them (CVE-2019-9512, CVE-2019-9515).
    pub replies_unread: u32,
    /// Frames that carry nothing (PRIORITY, WINDOW_UPDATE, empty DATA, unknown) before any head or body pays for
    /// them (CVE-2019-9518, CVE-2019-9513).
    pub overhead_frames: u64,
    /// Streams that we reset and remember, because the peer may still send frames for them.
    pub resets_remembered: usize,
    /// Bytes in the output over which `send_data` waits. Heads and control frames may exceed it.
    pub output_bytes: usize,
    /// Whether clients may send extended CONNECT (RFC 8441).
    pub extended_connect: ExtendedConnect,
}

/// Whether extended CONNECT is supported.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ExtendedConnect {
    /// Not announced, and a request with `:protocol` is malformed.
    #[default]
    Refused,
    /// Announced with SETTINGS_ENABLE_CONNECT_PROTOCOL.
    Announced,
}

/// Overhead frames that each useful frame pays for. Clients give windows back with up to eight WINDOW_UPDATE
/// frames for each DATA frame.
pub(crate) const OVERHEAD_PER_USEFUL_FRAME: u64 = 16;

/// The largest payload of a frame (section 4.2).
const FRAME_BYTES_MAX: usize = (1 << 24) - 1;

impl Limits {
    /// Moves values that no setting can express to the nearest one that can.
    pub(crate) fn within_protocol(mut self) -> Self {
        self.stream_window_bytes = self.stream_window_bytes.min(WINDOW_BYTES_MAX);
        // WINDOW_UPDATE can only widen the window of the connection.
        self.connection_window_bytes = self.connection_window_bytes.clamp(WINDOW_BYTES_DEFAULT, WINDOW_BYTES_MAX);
        self.frame_bytes = self.frame_bytes.clamp(PAYLOAD_BYTES_MIN, FRAME_BYTES_MAX);
        self
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            streams: 1000,
            stream_window_bytes: 128 * 1024,
            connection_window_bytes: 16 * WINDOW_BYTES_DEFAULT,
            frame_bytes: PAYLOAD_BYTES_MIN,
            header_table_bytes: TABLE_BYTES_DEFAULT,
            field_section_bytes: 64 * 1024,
            field_block_bytes: 128 * 1024,
            continuations: 64,
            replies_unread: 1000,
            overhead_frames: 10_000,
            resets_remembered: 256,
            output_bytes: 64 * 1024,
            extended_connect: ExtendedConnect::Refused,
        }
    }
}
