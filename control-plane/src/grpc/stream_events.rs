//! Events that a sidecar's stream reacts to: new rules, queries, acks, and reasons to end.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::Stream;
use futures_util::stream::{SelectAll, unfold};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::counts::fleet::stream_session::StreamSession;
use crate::history::{FetchRequest, RequestReceiver};
use crate::state::AppState;
use crate::tap::open::OpenTap;

/// One event.
pub(super) enum StreamEvent {
    /// The rules of its service have changed, or a resend was requested.
    Rules,
    /// A user requests the exchanges that the sidecar remembers.
    Fetch(FetchRequest),
    /// The set of open taps has changed.
    Taps(Arc<Vec<Arc<OpenTap>>>),
    /// All windows up to this slot are on disk.
    Written(u64),
    /// Whether the window queue has room.
    Room(bool),
    /// A newer stream of the pod has superseded this one.
    Superseded,
    /// The control plane is shutting down.
    Draining,
}

/// The sources of events.
struct Sources {
    rules: watch::Receiver<u64>,
    fetches: RequestReceiver,
    open_taps: watch::Receiver<Arc<Vec<Arc<OpenTap>>>>,
    acked: watch::Receiver<u64>,
    room: watch::Receiver<bool>,
    superseded: CancellationToken,
    drain: CancellationToken,
}

/// All events of one stream, from now on.
///
/// Ten thousand reports a second wake their streams, and almost none of them finds an event. So the
/// sources are polled only when one of them was woken, as everything in a `SelectAll` is.
pub(super) type StreamEvents = SelectAll<Pin<Box<dyn Stream<Item = StreamEvent> + Send>>>;

/// The events of one stream, whose windows are acknowledged through `acked`.
pub(super) fn stream_events(session: &StreamSession, state: &AppState, acked: watch::Receiver<u64>) -> StreamEvents {
    let workload = session.workload();
    let mut open_taps = state.taps.watch();
    // Taps that are open already concern it as well.
    open_taps.mark_changed();
    let sources = Sources {
        rules: state.rules.watch(&workload.namespace, &workload.service),
        fetches: state.histories.listen(Arc::clone(workload)),
        open_taps,
        acked,
        room: state.window_queue.subscribe_room(),
        superseded: session.superseded().clone(),
        drain: state.drain.clone(),
    };
    let each = unfold(sources, |mut sources| async move { Some((sources.next().await, sources)) });
    SelectAll::from_iter([Box::pin(each) as _])
}

impl Sources {
    async fn next(&mut self) -> StreamEvent {
        tokio::select! {
            Ok(()) = self.rules.changed() => StreamEvent::Rules,
            event = requested(&mut self.fetches, &mut self.open_taps) => event,
            event = window_event(&mut self.acked, &mut self.room) => event,
            event = end_event(&self.superseded, &self.drain) => event,
        }
    }
}

/// Waits for what users request.
async fn requested(fetches: &mut RequestReceiver, open_taps: &mut watch::Receiver<Arc<Vec<Arc<OpenTap>>>>) -> StreamEvent {
    tokio::select! {
        Some(request) = fetches.next() => StreamEvent::Fetch(request),
        Ok(()) = open_taps.changed() => StreamEvent::Taps(Arc::clone(&open_taps.borrow_and_update())),
        else => std::future::pending().await,
    }
}

/// Waits for news of windows.
async fn window_event(acked: &mut watch::Receiver<u64>, room: &mut watch::Receiver<bool>) -> StreamEvent {
    tokio::select! {
        Ok(()) = acked.changed() => StreamEvent::Written(*acked.borrow_and_update()),
        Ok(()) = room.changed() => StreamEvent::Room(*room.borrow_and_update()),
        else => std::future::pending().await,
    }
}

/// Waits for a reason to end the stream.
async fn end_event(superseded: &CancellationToken, drain: &CancellationToken) -> StreamEvent {
    tokio::select! {
        () = superseded.cancelled() => StreamEvent::Superseded,
        () = drain.cancelled() => StreamEvent::Draining,
    }
}
