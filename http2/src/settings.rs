//! Settings (RFC 9113, section 6.5): the peer's values, and the announcement of ours.

use crate::error_code::ConnectionError;
use crate::flow::{WINDOW_BYTES_DEFAULT, WINDOW_BYTES_MAX};
use crate::frame::PAYLOAD_BYTES_MIN;
use crate::hpack::TABLE_BYTES_DEFAULT;
use crate::hpack::encoder::Encoder;
use crate::limits::{ExtendedConnect, Limits};

const HEADER_TABLE_SIZE: u16 = 0x1;
const ENABLE_PUSH: u16 = 0x2;
const MAX_CONCURRENT_STREAMS: u16 = 0x3;
const INITIAL_WINDOW_SIZE: u16 = 0x4;
const MAX_FRAME_SIZE: u16 = 0x5;
const MAX_HEADER_LIST_SIZE: u16 = 0x6;
/// RFC 8441, section 3.
pub(crate) const ENABLE_CONNECT_PROTOCOL: u16 = 0x8;

/// The smallest value of MAX_FRAME_SIZE.
const FRAME_BYTES_MIN: u32 = PAYLOAD_BYTES_MIN as u32;

/// The first value of MAX_FRAME_SIZE that is too large.
const FRAME_BYTES_END: u32 = 1 << 24;

/// Streams that a client opens before the server's settings arrive. No server allows fewer as a rule (section
/// 6.5.2), and more might be refused.
const STREAMS_BEFORE_SETTINGS: u32 = 100;

/// Which side of a connection we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// We open streams.
    Client,
    /// The peer opens streams.
    Server,
}

/// The settings of the peer.
#[derive(Debug, Clone, Copy)]
pub struct PeerSettings {
    /// Streams that we may have open at once.
    pub streams: u32,
    /// The window of each new stream.
    pub stream_window_bytes: u32,
    /// The fields of a head or of trailers that it accepts, with 32 bytes added for each.
    pub field_section_bytes: Option<u32>,
    /// Whether it accepts extended CONNECT.
    pub extended_connect: ExtendedConnect,
}

impl Default for PeerSettings {
    fn default() -> Self {
        Self {
            streams: STREAMS_BEFORE_SETTINGS,
            stream_window_bytes: WINDOW_BYTES_DEFAULT,
            field_section_bytes: None,
            extended_connect: ExtendedConnect::Refused,
        }
    }
}

impl PeerSettings {
    /// Applies the payload of a SETTINGS frame that `peer` has sent. The encoder sees each size of the peer's table:
    /// even one that the same frame replaces evicts entries.
    pub(crate) fn apply(&mut self, payload: &[u8], peer: Role, encoder: &mut Encoder) -> Result<(), ConnectionError> {
        let (settings, _) = payload.as_chunks::<6>();
        for &[i0, i1, v0, v1, v2, v3] in settings {
            let value = u32::from_be_bytes([v0, v1, v2, v3]);
            match (u16::from_be_bytes([i0, i1]), value) {
                (HEADER_TABLE_SIZE, _) => encoder.set_size_limit(value as usize),
                (ENABLE_PUSH, 1..) if value > 1 || peer == Role::Server => {
                    return Err(ConnectionError::protocol("SETTINGS_ENABLE_PUSH is invalid"));
                }
                (MAX_CONCURRENT_STREAMS, _) => self.streams = value,
                (INITIAL_WINDOW_SIZE, ..=WINDOW_BYTES_MAX) => self.stream_window_bytes = value,
                (INITIAL_WINDOW_SIZE, _) => {
                    return Err(ConnectionError::flow_control("SETTINGS_INITIAL_WINDOW_SIZE is over 2^31 - 1"));
                }
                // A valid one changes nothing: our frames never exceed what every peer must accept.
                (MAX_FRAME_SIZE, ..FRAME_BYTES_MIN | FRAME_BYTES_END..) => {
                    return Err(ConnectionError::protocol("SETTINGS_MAX_FRAME_SIZE is invalid"));
                }
                (MAX_HEADER_LIST_SIZE, _) => self.field_section_bytes = Some(value),
                (ENABLE_CONNECT_PROTOCOL, 1) => self.extended_connect = ExtendedConnect::Announced,
                (ENABLE_CONNECT_PROTOCOL, _) if value > 1 || self.extended_connect == ExtendedConnect::Announced => {
                    return Err(ConnectionError::protocol("SETTINGS_ENABLE_CONNECT_PROTOCOL is invalid or was withdrawn"));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The settings to announce; those that have their default value are left out.
pub(crate) fn announced(limits: &Limits, role: Role) -> Vec<(u16, u32)> {
    let extended_connect = u32::from(limits.extended_connect == ExtendedConnect::Announced);
    let mut settings = vec![(INITIAL_WINDOW_SIZE, limits.stream_window_bytes, WINDOW_BYTES_DEFAULT)];
    settings.push((HEADER_TABLE_SIZE, limits.header_table_bytes as u32, TABLE_BYTES_DEFAULT as u32));
    settings.push((MAX_FRAME_SIZE, limits.frame_bytes as u32, PAYLOAD_BYTES_MIN as u32));
    settings.push((MAX_HEADER_LIST_SIZE, limits.field_section_bytes as u32, u32::MAX));
    match role {
        Role::Client => settings.push((ENABLE_PUSH, 0, 1)),
        Role::Server => {
            settings.push((MAX_CONCURRENT_STREAMS, limits.streams, u32::MAX));
            settings.push((ENABLE_CONNECT_PROTOCOL, extended_connect, 0));
        }
    }
    settings.into_iter().filter(|(_, value, default)| value != default).map(|(id, value, _)| (id, value)).collect()
}
