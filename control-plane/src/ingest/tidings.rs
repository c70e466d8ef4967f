//! What a stream hears from within the control plane: new rules, questions, acks, and that it has to end.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::Stream;
use futures_util::stream::{SelectAll, unfold};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::fleet::attachment::Attachment;
use crate::history::{Ask, Listening};
use crate::plane::ControlPlane;
use crate::tap::open::OpenTap;

/// One piece of news.
pub(super) enum Tiding {
    /// The rules of its service are others now, or were asked for again.
    Rules,
    /// Somebody wants to see what the sidecar remembers.
    Ask(Ask),
    /// Other taps are open.
    Taps(Arc<Vec<Arc<OpenTap>>>),
    /// All windows up to this slot are on disk.
    Kept(u64),
    /// Whether there is room for windows.
    Room(bool),
    /// A newer stream of the pod has taken over.
    Fenced,
    /// The control plane is leaving.
    Draining,
}

/// Where the news comes from.
struct Sources {
    rules: watch::Receiver<u64>,
    asks: Listening,
    open_taps: watch::Receiver<Arc<Vec<Arc<OpenTap>>>>,
    acked: watch::Receiver<u64>,
    room: watch::Receiver<bool>,
    fence: CancellationToken,
    drain: CancellationToken,
}

/// All news that concerns one stream, from now on.
///
/// Ten thousand reports a second wake their streams, and for nearly none of them there is news. So this looks at where news
/// comes from only when it was itself woken, as everything in a `SelectAll` is.
pub(super) type Tidings = SelectAll<Pin<Box<dyn Stream<Item = Tiding> + Send>>>;

/// Those of one stream, whose windows are acknowledged by `acked`.
pub(super) fn tidings(attachment: &Attachment, plane: &ControlPlane, acked: watch::Receiver<u64>) -> Tidings {
    let workload = attachment.workload();
    let mut open_taps = plane.taps.watch();
    // Those that are open already concern it as well.
    open_taps.mark_changed();
    let sources = Sources {
        rules: plane.rules.watch(&workload.namespace, &workload.service),
        asks: plane.histories.listen(Arc::clone(workload)),
        open_taps,
        acked,
        room: plane.keeper.room(),
        fence: attachment.fence().clone(),
        drain: plane.drain.clone(),
    };
    let each = unfold(sources, |mut sources| async move { Some((sources.next().await, sources)) });
    SelectAll::from_iter([Box::pin(each) as _])
}

impl Sources {
    async fn next(&mut self) -> Tiding {
        tokio::select! {
            Ok(()) = self.rules.changed() => Tiding::Rules,
            wish = wished(&mut self.asks, &mut self.open_taps) => wish,
            word = kept(&mut self.acked, &mut self.room) => word,
            end = over(&self.fence, &self.drain) => end,
        }
    }
}

/// What people want to see.
async fn wished(asks: &mut Listening, open_taps: &mut watch::Receiver<Arc<Vec<Arc<OpenTap>>>>) -> Tiding {
    tokio::select! {
        Some(ask) = asks.next() => Tiding::Ask(ask),
        Ok(()) = open_taps.changed() => Tiding::Taps(Arc::clone(&open_taps.borrow_and_update())),
        else => std::future::pending().await,
    }
}

/// What became of windows.
async fn kept(acked: &mut watch::Receiver<u64>, room: &mut watch::Receiver<bool>) -> Tiding {
    tokio::select! {
        Ok(()) = acked.changed() => Tiding::Kept(*acked.borrow_and_update()),
        Ok(()) = room.changed() => Tiding::Room(*room.borrow_and_update()),
        else => std::future::pending().await,
    }
}

/// Why the stream has to end.
async fn over(fence: &CancellationToken, drain: &CancellationToken) -> Tiding {
    tokio::select! {
        () = fence.cancelled() => Tiding::Fenced,
        () = drain.cancelled() => Tiding::Draining,
    }
}
