//! A connection to the service that many downstreams share for requests without a body, one of each at a time.
//!
//! Requests of many clients then travel in one write, and their responses in one read. A client that has had several
//! requests under way at once, or has cancelled some, uses connections of its own, as do requests with a body. So a client
//! that does not read holds one window here, and every request that is lost with this connection can be sent again.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use http2::connection::Connection;
use http2::connection::handler::{Handler, SectionPart, Writable};
use http2::error_code::{ErrorCode, StreamError};
use http2::frame::{EndStream, StreamId};
use http2::hpack::Field;
use http2::message::field_section::FieldSection;
use http2::streams::StreamMap;

use crate::socket::buffered_conn::BufferedConn;
use crate::upstream::IDLE_MAX;
use crate::upstream::http2::connection::{Http2Upstream, RESETS_MAX, UpstreamEnd, poll_write_output};

/// Streams of a shared connection. Above that, downstreams use their own: the connection would be a bottleneck.
const STREAMS_MAX: usize = 200;

/// Who gets the events of a stream.
pub trait ExchangeEvents {
    /// Takes an event of the service's `stream`, which serves the downstream's stream `to`.
    fn deliver(&self, shared: SharedId, connection: &mut Connection, stream: StreamId, to: StreamId, event: StreamEvent<'_>);
}

/// Identifies a shared connection of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SharedId(u32);

/// An event of one stream.
#[derive(Debug)]
pub enum StreamEvent<'a> {
    /// A head, interim or final.
    Head(&'a FieldSection, EndStream),
    /// A piece of content.
    Data(&'a [u8], EndStream),
    /// Trailers, which end the response.
    Trailers(&'a FieldSection),
    /// A head or trailers over the limit.
    TooLarge(SectionPart),
    /// The response is malformed.
    Failed(StreamError),
    /// The service has reset the stream.
    Reset(ErrorCode),
    /// The service has not processed the request.
    Unprocessed,
    /// The connection has ended.
    Ended(UpstreamEnd),
}

/// A shared connection.
pub struct SharedUpstream {
    id: SharedId,
    state: RefCell<SharedState>,
    waker: Cell<Option<Waker>>,
    is_ended: Cell<bool>,
}

struct SharedState {
    upstream: Http2Upstream,
    receivers: StreamMap<Receiver>,
    unused_since: Option<Instant>,
}

struct Receiver {
    events: Rc<dyn ExchangeEvents>,
    to: StreamId,
}

impl SharedUpstream {
    /// Begins HTTP/2 on a new connection.
    pub fn new(id: u32, socket: BufferedConn, now: Instant) -> Self {
        let state =
            SharedState { upstream: Http2Upstream::new(socket, now), receivers: StreamMap::default(), unused_since: Some(now) };
        Self { id: SharedId(id), state: RefCell::new(state), waker: Cell::default(), is_ended: Cell::default() }
    }

    /// Its identifier.
    pub fn id(&self) -> SharedId {
        self.id
    }

    /// Whether no further request may be sent on it.
    pub fn is_retired(&self) -> bool {
        let state = self.state.borrow();
        self.is_ended.get()
            || state.upstream.resets >= RESETS_MAX
            || state.upstream.connection.can_open().is_err_and(|error| !error.is_temporary())
    }

    /// Sends a request without a body. `None` if there is no room.
    pub fn open<'a>(
        &self,
        fields: impl IntoIterator<Item = Field<'a>>,
        events: &Rc<dyn ExchangeEvents>,
        to: StreamId,
    ) -> Option<StreamId> {
        let state = &mut *self.state.borrow_mut();
        let is_ready =
            !self.is_ended.get() && state.upstream.is_proven && state.upstream.has_room() && state.upstream.resets < RESETS_MAX;
        if !is_ready || state.receivers.len() >= STREAMS_MAX {
            return None;
        }
        let stream = state.upstream.connection.open(fields, EndStream::Yes).ok()?;
        state.receivers.insert(stream, Receiver { events: Rc::clone(events), to });
        state.unused_since = None;
        self.wake();
        Some(stream)
    }

    /// Uses the connection for a stream of it, and sends what that adds to the output.
    pub fn with_connection<R>(&self, change: impl FnOnce(&mut Connection) -> R) -> R {
        let result = change(&mut self.state.borrow_mut().upstream.connection);
        self.wake();
        result
    }

    /// Gives up a stream, and resets it if it is still open. `owed` bytes are given back to the connection.
    pub fn detach(&self, stream: StreamId, owed: usize) {
        let state = &mut *self.state.borrow_mut();
        state.upstream.connection.release_connection(owed);
        if state.upstream.connection.is_open(stream) {
            state.upstream.connection.reset(stream, ErrorCode::CANCEL);
            state.upstream.resets += 1;
        }
        state.receivers.remove(&stream);
        if !state.upstream.connection.output().is_empty() {
            self.wake();
        }
    }

    /// Ends the exchanges that are still on the connection: the task that serves it is over, perhaps by a panic.
    pub fn abandon(&self) {
        if !self.is_ended.replace(true)
            && let Ok(mut state) = self.state.try_borrow_mut()
        {
            state.end(self.id, UpstreamEnd::Closed);
        }
    }

    /// Moves bytes until the connection ends. It ends when it was unused for long.
    pub fn poll(&self, cx: &mut Context<'_>, scratch: &mut [u8], now: Instant) -> Poll<()> {
        self.waker.set(Some(cx.waker().clone()));
        let state = &mut *self.state.borrow_mut();
        match state.poll(self.id, cx, scratch, now) {
            Ok(()) => Poll::Pending,
            Err(end) => {
                self.is_ended.set(true);
                state.end(self.id, end);
                Poll::Ready(())
            }
        }
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl SharedState {
    fn poll(&mut self, id: SharedId, cx: &mut Context<'_>, scratch: &mut [u8], now: Instant) -> Result<(), UpstreamEnd> {
        loop {
            let Self { upstream, receivers, .. } = self;
            poll_write_output(cx, &mut upstream.connection, &mut upstream.socket)?;
            let filled = match upstream.socket.poll_fill(cx, scratch) {
                Poll::Pending => break,
                Poll::Ready(filled) => filled?,
            };
            let input = &scratch[..filled.length];
            let mut dispatch = Dispatch { id, receivers, is_proven: false, resets: 0, refused_at: None };
            let received = upstream.connection.receive(input, &mut dispatch);
            let Dispatch { is_proven, resets, refused_at, .. } = dispatch;
            upstream.is_proven |= is_proven;
            upstream.resets += resets;
            upstream.refused_at = if is_proven { None } else { refused_at.or(upstream.refused_at) };
            match received {
                Ok(_) if filled.ended => return Err(UpstreamEnd::Closed),
                Ok(read) => upstream.socket.unread_partial(&input[read..]),
                Err(error) if upstream.is_proven => return Err(UpstreamEnd::Faulty(error)),
                Err(_) => return Err(UpstreamEnd::Foreign),
            }
        }
        if !self.receivers.is_empty() {
            self.unused_since = None;
            return Ok(());
        }
        let since = *self.unused_since.get_or_insert(now);
        let is_going = self.upstream.connection.can_open().is_err_and(|error| !error.is_temporary());
        let is_over = is_going || self.upstream.resets >= RESETS_MAX || now.duration_since(since) >= IDLE_MAX;
        if is_over { Err(UpstreamEnd::Closed) } else { Ok(()) }
    }

    /// Reports the end to all exchanges, in the order of their requests.
    fn end(&mut self, id: SharedId, end: UpstreamEnd) {
        let mut receivers: Vec<(StreamId, Receiver)> = self.receivers.drain().collect();
        receivers.sort_unstable_by_key(|(stream, _)| *stream);
        for (stream, Receiver { events, to }) in receivers {
            events.deliver(id, &mut self.upstream.connection, stream, to, StreamEvent::Ended(end));
        }
    }
}

/// Passes events to the receivers of their streams.
struct Dispatch<'a> {
    id: SharedId,
    receivers: &'a mut StreamMap<Receiver>,
    is_proven: bool,
    resets: u32,
    refused_at: Option<usize>,
}

impl Dispatch<'_> {
    fn deliver(&self, connection: &mut Connection, stream: StreamId, event: StreamEvent<'_>) {
        match (self.receivers.get(&stream), event) {
            (Some(receiver), event) => receiver.events.deliver(self.id, connection, stream, receiver.to, event),
            (None, StreamEvent::Data(bytes, _)) => connection.release(stream, bytes.len()),
            (None, _) => {}
        }
    }
}

impl Handler for Dispatch<'_> {
    fn head(&mut self, connection: &mut Connection, stream: StreamId, head: &FieldSection, end: EndStream) {
        self.deliver(connection, stream, StreamEvent::Head(head, end));
    }

    fn data(&mut self, connection: &mut Connection, stream: StreamId, bytes: &[u8], end: EndStream) {
        self.deliver(connection, stream, StreamEvent::Data(bytes, end));
    }

    fn trailers(&mut self, connection: &mut Connection, stream: StreamId, trailers: &FieldSection) {
        self.deliver(connection, stream, StreamEvent::Trailers(trailers));
    }

    fn too_large(&mut self, connection: &mut Connection, stream: StreamId, part: SectionPart) {
        self.deliver(connection, stream, StreamEvent::TooLarge(part));
    }

    fn failed(&mut self, connection: &mut Connection, stream: StreamId, error: StreamError) {
        self.resets += 1;
        self.deliver(connection, stream, StreamEvent::Failed(error));
    }

    fn reset(&mut self, connection: &mut Connection, stream: StreamId, code: ErrorCode) {
        self.resets += 1;
        self.deliver(connection, stream, StreamEvent::Reset(code));
    }

    fn unprocessed(&mut self, connection: &mut Connection, stream: StreamId) {
        if connection.can_open().is_ok() {
            self.refused_at = Some(connection.streams().max(1));
        }
        self.deliver(connection, stream, StreamEvent::Unprocessed);
        self.receivers.remove(&stream);
    }

    fn writable(&mut self, _: &mut Connection, _: Writable) {}

    fn settings(&mut self, _: &mut Connection) {
        self.is_proven = true;
    }
}

/// How often the owner of a shared connection polls it, so that it notices when it is unused.
pub const POLL_INTERVAL: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::AsyncWriteExt;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::socket::buffered_conn::SCRATCH_BYTES;

    /// Remembers for which streams the end of the connection was reported.
    #[derive(Default)]
    struct Ends(RefCell<Vec<StreamId>>);

    impl ExchangeEvents for Ends {
        fn deliver(&self, _: SharedId, _: &mut Connection, _: StreamId, to: StreamId, event: StreamEvent<'_>) {
            if matches!(event, StreamEvent::Ended(UpstreamEnd::Closed)) {
                self.0.borrow_mut().push(to);
            }
        }
    }

    #[tokio::test]
    async fn exchanges_learn_that_their_connection_is_abandoned_and_no_more_are_sent_on_it() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut service, _) = listener.accept().await.unwrap();
        service.write_all(b"\0\0\0\x04\0\0\0\0\0").await.unwrap();
        let now = Instant::now();
        let shared = SharedUpstream::new(1, BufferedConn::new(socket.into()), now);
        let ends = Rc::new(Ends::default());
        let events: Rc<dyn ExchangeEvents> = Rc::<Ends>::clone(&ends);
        let open = |to| shared.open([Field::new(":method", "GET")], &events, StreamId(to));
        assert_eq!(open(1), None, "the service's SETTINGS have not been read");
        let mut scratch = vec![0; SCRATCH_BYTES];
        poll_fn(|cx| {
            assert!(shared.poll(cx, &mut scratch, now).is_pending());
            if open(1).is_some() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        assert!(open(3).is_some());

        shared.abandon();

        assert_eq!(*ends.0.borrow(), [StreamId(1), StreamId(3)]);
        assert!(open(5).is_none() && shared.is_retired());
    }
}
