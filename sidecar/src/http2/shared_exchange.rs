//! Exchanges on a connection to the service that downstreams share: opens the connection, and takes its events.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::task::Poll;
use std::time::Instant;

use http2::connection::Connection;
use http2::connection::handler::Handler;
use http2::frame::StreamId;

use crate::exchange::context::WorkerContext;
use crate::exchange::error_response;
use crate::http2::connection_state::ConnectionState;
use crate::http2::proxied_exchange::{ResponseProgress, Route};
use crate::http2::upstream_events::{ATTEMPTS_MAX, Source, UpstreamEvents, UpstreamState};
use crate::upstream::http2::connection::UpstreamEnd;
use crate::upstream::http2::shared::{ExchangeEvents, POLL_INTERVAL, SharedId, SharedUpstream, StreamEvent};

/// Takes the events for one downstream connection, as long as it exists.
pub(super) struct DownstreamReceiver {
    state: Weak<RefCell<ConnectionState>>,
}

impl DownstreamReceiver {
    /// A receiver that does not keep the connection.
    pub(super) fn new(state: &Rc<RefCell<ConnectionState>>) -> Self {
        Self { state: Rc::downgrade(state) }
    }
}

impl ExchangeEvents for DownstreamReceiver {
    fn deliver(&self, shared: SharedId, connection: &mut Connection, stream: StreamId, to: StreamId, event: StreamEvent<'_>) {
        let Some(state) = self.state.upgrade() else {
            if let StreamEvent::Data(bytes, _) = event {
                connection.release(stream, bytes.len());
            }
            return;
        };
        // The two tasks run on one thread, one after the other, so nothing else uses the state now.
        let state = &mut *state.borrow_mut();
        let mut seen = UpstreamState::default();
        let source = Source::Shared { id: shared, to };
        let mut events =
            UpstreamEvents { exchanges: &mut state.exchanges, downstream: &mut state.downstream, source, state: &mut seen };
        match event {
            StreamEvent::Head(head, end) => events.head(connection, stream, head, end),
            StreamEvent::Data(bytes, end) => events.data(connection, stream, bytes, end),
            StreamEvent::Trailers(trailers) => events.trailers(connection, stream, trailers),
            StreamEvent::TooLarge(part) => events.too_large(connection, stream, part),
            StreamEvent::Failed(error) => events.failed(connection, stream, error),
            StreamEvent::Reset(code) => events.reset(connection, stream, code),
            StreamEvent::Unprocessed => events.unprocessed(connection, stream),
            StreamEvent::Ended(end) => end_exchange(state, shared, stream, to, end),
        }
        seen.unprocessed.into_iter().for_each(|stream| state.upstreams.wait(stream));
        state.wake();
    }
}

/// Ends an exchange whose connection has ended, or sends its request again: it has no body, and is idempotent.
fn end_exchange(state: &mut ConnectionState, shared: SharedId, stream: StreamId, to: StreamId, end: UpstreamEnd) {
    let Some(exchange) = state.exchanges.open.get_mut(&to) else { return };
    if exchange.route != (Route::Shared { shared, stream }) {
        return;
    }
    exchange.shared = None;
    exchange.route = Route::None;
    let is_awaited = exchange.progress == ResponseProgress::Awaited && !exchange.response.is_complete();
    if exchange.response.is_complete() {
        state.exchanges.note_changed(to);
    } else if is_awaited && exchange.attempts < ATTEMPTS_MAX && exchange.request.rewind() {
        exchange.route = Route::Waiting;
        state.upstreams.wait(to);
    } else {
        let answer = match end {
            UpstreamEnd::Faulty(error) => error_response::invalid_response(error.reason, exchange.record.audience()),
            _ => error_response::reset(exchange.record.audience()),
        };
        state.exchanges.fail(&mut state.downstream, to, &answer);
    }
}

/// Opens a connection that downstreams share from then on. Until then, they use their own.
pub(super) fn open_connection(worker: &Rc<WorkerContext>) {
    let owner = Rc::clone(worker);
    worker.service.http2.tasks().spawn_local(async move {
        let connected = owner.service.http1.connect(owner.timeouts().connect).await;
        let socket = connected.ok().map(|connected| connected.peer);
        if let Some(shared) = owner.service.http2.set_shared(socket, Instant::now()) {
            drive(&owner, &shared).await;
        }
    });
}

/// Ends the exchanges on a shared connection when the task that serves it is over.
struct AbandonOnDrop<'a>(&'a SharedUpstream);

impl Drop for AbandonOnDrop<'_> {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

/// Moves the bytes of a shared connection until it ends.
async fn drive(worker: &WorkerContext, shared: &SharedUpstream) {
    let _abandon = AbandonOnDrop(shared);
    let timer = worker.timers.add();
    poll_fn(|cx| {
        timer.register(cx.waker());
        let now = Instant::now();
        if timer.has_expired() || timer.is_unset() {
            timer.arm(now + POLL_INTERVAL);
        }
        if worker.is_ending() {
            return Poll::Ready(());
        }
        shared.poll(cx, &mut worker.scratch.borrow_mut().input, now)
    })
    .await;
}
