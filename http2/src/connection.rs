//! One HTTP/2 connection, client or server: its state, and what its owner can send.

use crate::conduct::Conduct;
use crate::error_code::ConnectionError;
use crate::field_block::FieldBlock;
use crate::flow::{ReceiveWindow, SendWindow, WINDOW_BYTES_DEFAULT};
use crate::frame::write;
use crate::frame::{EndStream, PREFACE, StreamId};
use crate::hpack::TABLE_BYTES_DEFAULT;
use crate::hpack::decoder::Decoder;
use crate::limits::Limits;
use crate::message::content::Content;
use crate::message::{Method, Section};
use crate::output::Output;
use crate::settings::{self, PeerSettings, Role};
use crate::streams::{Receiving, Sending, Stream, Streams};

pub mod handler;
mod inbound;
pub mod operations;

/// The state of a connection.
#[derive(Debug)]
pub struct Connection {
    role: Role,
    limits: Limits,
    peer: PeerSettings,
    handshake: Handshake,
    reading: Reading,
    decoder: Decoder,
    block: FieldBlock,
    section: Section,
    streams: Streams,
    send_window: SendWindow,
    receive_window: ReceiveWindow,
    /// `send_data` was cut short by the connection's window.
    is_blocked: bool,
    output: Output,
    conduct: Conduct,
    /// The last stream of the peer's GOAWAY: we open no more.
    received_go_away: Option<StreamId>,
    /// The last stream of our GOAWAY: later ones are ignored.
    sent_go_away: Option<StreamId>,
    error: Option<ConnectionError>,
}

/// Which SETTINGS frames have arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Handshake {
    peer: Progress,
    /// The acknowledgement of ours.
    ours: Progress,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Awaited,
    Arrived,
}

/// What the next received bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    Preface,
    /// A frame. `is_partial`: its beginning has arrived, and the owner keeps it.
    Frame {
        is_partial: bool,
    },
    /// The payload of a DATA frame, and the padding after it.
    Data {
        stream: StreamId,
        left: usize,
        padding: usize,
        end: EndStream,
    },
    /// Bytes without meaning.
    Skip {
        left: usize,
    },
}

impl Connection {
    /// A connection that we have opened. The preface and our settings are in the output.
    pub fn client(limits: Limits) -> Self {
        Self::new(Role::Client, limits)
    }

    /// A connection that we have accepted. Our settings are in the output.
    pub fn server(limits: Limits) -> Self {
        Self::new(Role::Server, limits)
    }

    fn new(role: Role, limits: Limits) -> Self {
        let limits = limits.within_protocol();
        let mut output = Output::new(limits.replies_unread);
        if role == Role::Client {
            output.buffer.extend_from_slice(PREFACE);
        }
        write::settings(&mut output.buffer, &settings::announced(&limits, role));
        let window = limits.connection_window_bytes;
        if window > WINDOW_BYTES_DEFAULT {
            write::window_update(&mut output.buffer, StreamId(0), window - WINDOW_BYTES_DEFAULT);
        }
        let mut decoder = Decoder::default();
        // A smaller table holds once the peer has acknowledged it.
        decoder.set_size_limit(limits.header_table_bytes.max(TABLE_BYTES_DEFAULT));
        Self {
            role,
            peer: PeerSettings::default(),
            handshake: Handshake { peer: Progress::Awaited, ours: Progress::Awaited },
            reading: if role == Role::Server { Reading::Preface } else { Reading::Frame { is_partial: false } },
            decoder,
            block: FieldBlock::default(),
            section: Section::default(),
            streams: Streams::default(),
            send_window: SendWindow::new(WINDOW_BYTES_DEFAULT),
            receive_window: ReceiveWindow::new(window),
            is_blocked: false,
            output,
            conduct: Conduct::default(),
            received_go_away: None,
            sent_go_away: None,
            error: None,
            limits,
        }
    }

    /// The bytes to send next.
    pub fn output(&self) -> &[u8] {
        self.output.pending()
    }

    /// Removes bytes that were sent from the output.
    pub fn advance_output(&mut self, bytes: usize) {
        self.output.advance(bytes);
    }

    /// Bytes of content that fit into the output now.
    pub fn output_room(&self) -> usize {
        self.limits.output_bytes.saturating_sub(self.output.pending().len())
    }

    /// Frees the buffers that are empty. The owner calls it when nothing is under way for some time.
    pub fn shrink(&mut self) {
        self.output.shrink();
        self.section = Section::default();
        self.streams.shrink();
    }

    /// Received bytes that the owner has not given back.
    pub fn held_bytes(&self) -> usize {
        self.receive_window.held()
    }

    /// The number of open streams.
    pub fn streams(&self) -> usize {
        self.streams.len()
    }

    /// Whether the stream is open: at least one side has not ended it.
    pub fn is_open(&self, stream: StreamId) -> bool {
        self.streams.contains(stream)
    }

    /// The peer's settings.
    pub fn peer_settings(&self) -> &PeerSettings {
        &self.peer
    }

    /// Whether the peer has begun something that it must continue at once: the preface and its settings, a head, or
    /// a frame other than DATA. The owner gives it a deadline.
    pub fn has_unfinished_head(&self) -> bool {
        let is_frame = matches!(self.reading, Reading::Preface | Reading::Frame { is_partial: true });
        is_frame || self.block.stream().is_some() || self.handshake.peer == Progress::Awaited
    }

    /// The last stream of the peer's GOAWAY, if it has sent one.
    pub fn received_go_away(&self) -> Option<StreamId> {
        self.received_go_away
    }

    /// Streams that the peer has reset since the connection began.
    pub fn resets(&self) -> u64 {
        self.conduct.resets
    }

    /// Streams that were reset because the peer broke a rule.
    pub fn failures(&self) -> u64 {
        self.conduct.failures
    }

    /// Streams that were refused because too many were open.
    pub fn refused(&self) -> u64 {
        self.conduct.refused
    }

    fn overhead(&mut self) -> Result<(), ConnectionError> {
        self.conduct.overhead(self.limits.overhead_frames)
    }

    /// A stream with the windows of the settings in force. Until the peer acknowledges ours, it may use the default.
    fn new_stream(&self) -> Stream {
        let window = match self.handshake.ours {
            Progress::Awaited => self.limits.stream_window_bytes.max(WINDOW_BYTES_DEFAULT),
            Progress::Arrived => self.limits.stream_window_bytes,
        };
        Stream {
            receiving: Receiving::Content,
            sending: Sending::Head,
            send_window: SendWindow::new(self.peer.stream_window_bytes),
            receive_window: ReceiveWindow::new(window),
            content: Content::Any,
            asked: Method::Other,
            is_blocked: false,
        }
    }
}
