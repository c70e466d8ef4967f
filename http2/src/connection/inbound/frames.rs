//! What received frames other than DATA change, and which events they cause (RFC 9113, sections 5, 6 and 8.1).

use crate::connection::Progress;
use crate::connection::handler::{Handler, SectionPart, Writable};
use crate::connection::inbound::Inbound;
use crate::error_code::{ConnectionError, ErrorCode, StreamError};
use crate::field_block::{BlockOwner, Target};
use crate::flow::WINDOW_BYTES_DEFAULT;
use crate::frame::{END_HEADERS, EndStream, FrameHeader, Payload, StreamId};
use crate::message::content::Content;
use crate::message::malformed::Malformed;
use crate::message::{Judged, Method, SectionKind};
use crate::settings::Role;
use crate::streams::{Absent, Receiving, Sending};

impl<H: Handler> Inbound<'_, H> {
    /// Any frame but DATA and unknown ones.
    pub(super) fn take_frame(&mut self, header: &FrameHeader, payload: Payload<'_>) -> Result<(), ConnectionError> {
        let stream = header.stream;
        let connection = &mut *self.connection;
        match payload {
            Payload::Headers { fragment } => {
                let owner = BlockOwner { stream, end: header.end_stream(), target: self.target(stream)? };
                match header.flags & END_HEADERS {
                    0 => self.connection.block.begin(owner, fragment, &self.connection.limits),
                    _ => self.take_block(owner, fragment),
                }
            }
            Payload::Continuation { fragment } => {
                connection.block.extend(fragment, &connection.limits)?;
                if header.flags & END_HEADERS != 0
                    && let Some((owner, bytes)) = connection.block.take()
                {
                    self.take_block(owner, &bytes)?;
                    self.connection.block.recycle(bytes);
                }
                Ok(())
            }
            Payload::Priority => connection.overhead(),
            Payload::RstStream(code) => self.take_reset(stream, code),
            Payload::Settings(bytes) => self.take_settings(bytes),
            Payload::SettingsAck => self.take_settings_ack(),
            Payload::PushPromise => Err(ConnectionError::protocol("PUSH_PROMISE although push is off")),
            Payload::Ping(opaque) => connection.output.reply_pong(opaque),
            Payload::Pong(opaque) => {
                self.handler.pong(connection, opaque);
                Ok(())
            }
            Payload::GoAway { last, code } => {
                self.take_go_away(last, code);
                Ok(())
            }
            Payload::WindowUpdate(increment) => self.take_window_update(stream, increment),
            Payload::Opaque => Ok(()),
        }
    }

    /// What a HEADERS frame belongs to.
    fn target(&mut self, stream: StreamId) -> Result<Target, ConnectionError> {
        let connection = &mut *self.connection;
        if let Some(open) = connection.streams.get(stream) {
            return Ok(match open.receiving {
                Receiving::Head => Target::Response,
                Receiving::Content | Receiving::Discarded => Target::Trailers,
                Receiving::Ended => Target::Ended,
            });
        }
        match connection.streams.absent(stream) {
            Absent::Reset => Ok(Target::Ignored),
            Absent::Closed => Err(ConnectionError::stream_closed("HEADERS on a closed stream")),
            Absent::Idle if connection.role == Role::Client => {
                Err(ConnectionError::protocol("HEADERS on a stream that was not opened"))
            }
            Absent::Idle if stream.0.is_multiple_of(2) || stream < connection.streams.last() => {
                Err(ConnectionError::protocol("HEADERS with a stream identifier that cannot be opened"))
            }
            Absent::Idle => {
                connection.streams.advance(stream);
                if connection.sent_go_away.is_some_and(|last| stream > last) {
                    connection.streams.reset(stream, connection.limits.resets_remembered);
                    return Ok(Target::Ignored);
                }
                let is_full = connection.streams.len() >= connection.limits.streams as usize;
                Ok(if is_full { Target::Refused } else { Target::Request })
            }
        }
    }

    /// A whole field block.
    fn take_block(&mut self, owner: BlockOwner, block: &[u8]) -> Result<(), ConnectionError> {
        let connection = &mut *self.connection;
        let kind = match owner.target {
            Target::Request => SectionKind::Request(connection.limits.extended_connect),
            Target::Response => SectionKind::Response,
            Target::Trailers => SectionKind::Trailers,
            Target::Refused | Target::Ended | Target::Ignored => SectionKind::Discarded,
        };
        connection.section.begin(kind, connection.limits.field_section_bytes);
        let section = &mut connection.section;
        connection.decoder.decode(block, |field| section.push(field))?;
        match owner.target {
            Target::Ignored => connection.overhead(),
            Target::Ended => self.fail_stream(owner.stream, StreamError::CLOSED),
            Target::Refused => {
                connection.conduct.refused += 1;
                connection.streams.reset(owner.stream, connection.limits.resets_remembered);
                connection.output.reply_reset(owner.stream, ErrorCode::REFUSED_STREAM)
            }
            Target::Request | Target::Response | Target::Trailers => {
                connection.conduct.useful();
                match self.judge(owner) {
                    Ok(judged) => {
                        self.deliver_section(owner, judged);
                        Ok(())
                    }
                    Err(malformed) => self.fail_stream(owner.stream, malformed.into()),
                }
            }
        }
    }

    /// Judges the decoded section with what the stream knows.
    fn judge(&mut self, owner: BlockOwner) -> Result<Judged, Malformed> {
        let open = self.connection.streams.get(owner.stream);
        let (asked, content) = open.map_or((Method::Other, Content::Any), |open| (open.asked, open.content));
        let judged = self.connection.section.judge(asked, owner.end)?;
        match (owner.target, content) {
            (Target::Trailers, Content::Tunnel) => Err(Malformed::TrailersInTunnel),
            (Target::Trailers, content) => content.finish().map(|()| judged),
            _ => Ok(judged),
        }
    }

    /// Changes the stream's state and reports a well-formed section.
    fn deliver_section(&mut self, owner: BlockOwner, judged: Judged) {
        let BlockOwner { stream, end, target } = owner;
        let connection = &mut *self.connection;
        if target == Target::Request {
            let opened = connection.new_stream();
            connection.streams.insert(stream, opened);
        }
        // The owner may have reset the stream before its field block was complete.
        let Some(open) = connection.streams.get(stream) else { return };
        let is_discarded = open.receiving == Receiving::Discarded;
        match judged {
            Judged::Head(content) => {
                open.receiving = Receiving::Content;
                open.content = content;
            }
            Judged::TooLarge => open.receiving = Receiving::Discarded,
            Judged::Interim | Judged::Trailers => {}
        }
        if end == EndStream::Yes {
            connection.streams.end_receiving(stream);
        }
        if is_discarded {
            return;
        }
        let section = std::mem::take(&mut connection.section);
        match (judged, target) {
            (Judged::TooLarge, Target::Trailers) => self.handler.too_large(connection, stream, SectionPart::Trailers),
            (Judged::TooLarge, _) => self.handler.too_large(connection, stream, SectionPart::Head),
            (Judged::Trailers, _) => self.handler.trailers(connection, stream, &section.fields),
            (Judged::Head(_) | Judged::Interim, _) => self.handler.head(connection, stream, &section.fields, end),
        }
        self.connection.section = section;
    }

    fn take_reset(&mut self, stream: StreamId, code: ErrorCode) -> Result<(), ConnectionError> {
        let connection = &mut *self.connection;
        if connection.streams.remove(stream).is_none() {
            return match connection.streams.absent(stream) {
                Absent::Idle => Err(ConnectionError::protocol("RST_STREAM on an idle stream")),
                Absent::Reset | Absent::Closed => connection.overhead(),
            };
        }
        connection.conduct.resets += 1;
        match (connection.role, code) {
            (Role::Client, ErrorCode::REFUSED_STREAM) => self.handler.unprocessed(connection, stream),
            _ => self.handler.reset(connection, stream, code),
        }
        Ok(())
    }

    fn take_settings(&mut self, bytes: &[u8]) -> Result<(), ConnectionError> {
        let connection = &mut *self.connection;
        connection.overhead()?;
        let before = connection.peer.stream_window_bytes;
        let peer = match connection.role {
            Role::Client => Role::Server,
            Role::Server => Role::Client,
        };
        if connection.handshake.peer == Progress::Awaited {
            connection.handshake.peer = Progress::Arrived;
            // What the first frame leaves out is not limited (section 6.5.2).
            connection.peer.streams = u32::MAX;
        }
        connection.peer.apply(bytes, peer, &mut connection.output.encoder)?;
        let change = i64::from(connection.peer.stream_window_bytes) - i64::from(before);
        let mut is_unblocked = false;
        for stream in connection.streams.iter_mut() {
            let adjusted = stream.send_window.adjust(change);
            adjusted.map_err(|_| ConnectionError::flow_control("SETTINGS overflows a stream's window"))?;
            is_unblocked |= stream.is_blocked && change > 0;
        }
        connection.output.reply_settings()?;
        self.handler.settings(connection);
        if is_unblocked {
            self.handler.writable(self.connection, Writable::Connection);
        }
        Ok(())
    }

    /// The peer obeys our settings from now on (section 6.5.3).
    fn take_settings_ack(&mut self) -> Result<(), ConnectionError> {
        let connection = &mut *self.connection;
        if connection.handshake.peer == Progress::Awaited {
            return Err(ConnectionError::protocol("the first frame acknowledges SETTINGS"));
        }
        if connection.handshake.ours == Progress::Arrived {
            return connection.overhead();
        }
        connection.handshake.ours = Progress::Arrived;
        connection.decoder.set_size_limit(connection.limits.header_table_bytes);
        // Until now, streams had the default window if it is larger than ours.
        let difference = WINDOW_BYTES_DEFAULT.saturating_sub(connection.limits.stream_window_bytes);
        for stream in connection.streams.iter_mut() {
            stream.receive_window.reduce(difference);
        }
        Ok(())
    }

    fn take_go_away(&mut self, last: StreamId, code: ErrorCode) {
        let connection = &mut *self.connection;
        connection.received_go_away = Some(last);
        if connection.role == Role::Client {
            for stream in connection.streams.take_above(last) {
                self.handler.unprocessed(self.connection, stream);
            }
        }
        self.handler.go_away(self.connection, last, code);
    }

    fn take_window_update(&mut self, stream: StreamId, increment: u32) -> Result<(), ConnectionError> {
        let connection = &mut *self.connection;
        connection.overhead()?;
        if stream == StreamId(0) {
            return self.widen_connection(increment);
        }
        let Some(open) = connection.streams.get(stream) else {
            return match connection.streams.absent(stream) {
                Absent::Idle => Err(ConnectionError::protocol("WINDOW_UPDATE on an idle stream")),
                Absent::Reset | Absent::Closed => Ok(()),
            };
        };
        if increment == 0 {
            return self.fail_stream(stream, StreamError::WINDOW_UPDATE_ZERO);
        }
        if open.send_window.adjust(increment.into()).is_err() {
            return self.fail_stream(stream, StreamError::WINDOW_OVERFLOW);
        }
        if open.is_blocked && open.sending == Sending::Content && open.send_window.available() > 0 {
            open.is_blocked = false;
            self.handler.writable(connection, Writable::Stream(stream));
        }
        Ok(())
    }

    fn widen_connection(&mut self, increment: u32) -> Result<(), ConnectionError> {
        let connection = &mut *self.connection;
        if increment == 0 {
            return Err(ConnectionError::protocol("WINDOW_UPDATE with an increment of zero"));
        }
        let widened = connection.send_window.adjust(increment.into());
        widened.map_err(|_| ConnectionError::flow_control("WINDOW_UPDATE overflows the connection's window"))?;
        if std::mem::replace(&mut connection.is_blocked, false) {
            self.handler.writable(connection, Writable::Connection);
        }
        Ok(())
    }

    /// Resets a stream because of what the peer did on it.
    pub(super) fn fail_stream(&mut self, stream: StreamId, error: StreamError) -> Result<(), ConnectionError> {
        let connection = &mut *self.connection;
        connection.conduct.failures += 1;
        connection.streams.reset(stream, connection.limits.resets_remembered);
        connection.output.reply_reset(stream, error.code)?;
        self.handler.failed(connection, stream, error);
        Ok(())
    }
}
