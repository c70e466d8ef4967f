//! The event stream of one tap page: batches exchanges and sends them as formatted rows a few times a second.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::fleet::Fleet;
use crate::fleet::owners::Owners;
use crate::history::Known;
use crate::tap::Reader;
use crate::tap::open::{self, Lost};
use crate::web::cells::Values;
use crate::web::format;
use crate::web::message::event;
use crate::web::request::{Place, RequestCells};

/// How often rows are sent: a person perceives it as immediate.
const TICK: Duration = Duration::from_millis(250);

/// Ticks after which a message is sent even without news, so that the page knows that the stream is alive.
const QUIET_TICKS: u32 = 4;

/// Rows in one message. The rest comes with the next tick.
const ROWS_MAX: usize = 100;

/// How long the address index is cached: a pod that joins makes no calls in its first second.
const KNOWN_FOR_MS: u64 = 1000;

/// The stream of one tap page.
pub(super) struct Watch {
    reader: Option<Reader>,
    /// Resolves the callers' addresses; `None` for a stream without exchanges.
    callers: Option<Callers>,
    /// The texts that were sent last: which pods are tapped, and what is not shown.
    said: Said,
    pods: usize,
    shown: u64,
    quiet: u32,
    ticks: Interval,
    state: State,
    drain: CancellationToken,
    _permit: OwnedSemaphorePermit,
}

/// The address index, rebuilt once a second.
struct Callers {
    fleet: Arc<Fleet>,
    owners: Owners,
    known_ms: u64,
}

/// The state of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing was sent yet.
    New,
    /// Under way.
    Open,
    /// The last message was sent.
    Ended,
}

/// The texts around the table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
struct Said {
    /// How many pods are tapped: `4 pods are tapped`.
    pods: String,
    /// What is not shown: `12 not shown: 10 over 50 a second, …`; empty if everything is.
    dropped: String,
    /// Why the stream ended; empty before.
    ended: String,
}

/// One message.
#[derive(Debug, Serialize)]
struct Message<'a> {
    rows: Vec<Values>,
    shown: u64,
    said: &'a Said,
}

impl Watch {
    pub(super) fn new(reader: Reader, fleet: Arc<Fleet>, drain: CancellationToken, permit: OwnedSemaphorePermit) -> Self {
        let callers = Some(Callers { fleet, owners: Owners::default(), known_ms: 0 });
        Self { callers, ..Self::with(Some(reader), Said::default(), drain, permit) }
    }

    /// A stream that only reports why it was refused.
    pub(super) fn refused(why: &str, drain: CancellationToken, permit: OwnedSemaphorePermit) -> Self {
        Self::with(None, Said { ended: format!("{why}."), ..Said::default() }, drain, permit)
    }

    fn with(reader: Option<Reader>, said: Said, drain: CancellationToken, permit: OwnedSemaphorePermit) -> Self {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { reader, callers: None, said, pods: 0, shown: 0, quiet: 0, ticks, state: State::New, drain, _permit: permit }
    }

    /// The next message; `None` after the last one.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        while self.state != State::Ended {
            tokio::select! {
                _ = self.ticks.tick() => {}
                () = self.drain.cancelled() => return None,
            }
            let is_new = self.state == State::New;
            let rows = self.gather();
            let said = self.words();
            self.quiet += 1;
            if is_new || !rows.is_empty() || said != self.said || self.quiet >= QUIET_TICKS {
                (self.said, self.quiet) = (said, 0);
                let message = Message { rows, shown: self.shown, said: &self.said };
                return Some(event(if is_new { "snap" } else { "tick" }, &message));
            }
        }
        None
    }

    /// The exchanges since the last call, oldest first.
    fn gather(&mut self) -> Vec<Values> {
        self.state = State::Open;
        let mut rows = Vec::new();
        let nobody = Owners::default();
        let owners = self.callers.as_mut().map_or(&nobody, |callers| callers.owners(clock::now_ms()));
        while rows.len() < ROWS_MAX {
            match self.reader.as_mut().map_or(Err(TryRecvError::Disconnected), |reader| reader.events.try_recv()) {
                Ok(open::Event::Joined(_)) => self.pods += 1,
                Ok(open::Event::Left(_)) => self.pods = self.pods.saturating_sub(1),
                Ok(open::Event::Seen(pod, seen)) => {
                    let place =
                        Place { namespace: &pod.namespace, service: &pod.service, endpoint: &seen.endpoint, pod: &pod.pod };
                    rows.push(Values::of(&RequestCells::of(place, seen.exchange.clone(), Known::Asked, owners)));
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    self.state = State::Ended;
                    break;
                }
            }
        }
        self.shown += rows.len() as u64;
        rows
    }

    fn words(&self) -> Said {
        let Some(reader) = &self.reader else { return self.said.clone() };
        let ended = if self.state == State::Ended { "Nothing was read for too long." } else { "" };
        Said {
            pods: match self.pods {
                0 => "No pod is tapped yet".into(),
                1 => "1 pod is tapped".into(),
                pods => format!("{} pods are tapped", format::count(pods as u64)),
            },
            dropped: dropped(&reader.tap.losses()),
            ended: ended.into(),
        }
    }
}

impl Callers {
    fn owners(&mut self, now_ms: u64) -> &Owners {
        if now_ms.abs_diff(self.known_ms) >= KNOWN_FOR_MS {
            (self.owners, self.known_ms) = (Owners::of(&self.fleet, now_ms), now_ms);
        }
        &self.owners
    }
}

/// What was not shown, and why; empty if everything was.
fn dropped(lost: &Lost) -> String {
    let all = lost.rate.saturating_add(lost.queue).saturating_add(lost.reader);
    let part = |count: u64, why: &str| (count > 0).then(|| format!("{} {why}", format::count(count)));
    let parts: Vec<String> = [
        part(lost.rate, "over 50 a second"),
        part(lost.queue, "because the way here was full"),
        part(lost.reader, "because this page did not keep up"),
    ]
    .into_iter()
    .flatten()
    .collect();
    let not_shown = (all > 0).then(|| format!("{} not shown: {}", format::count(all), parts.join(", ")));
    let pods = part(lost.pods, "pods are not tapped because there are too many");
    not_shown.into_iter().chain(pods).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use mesh::tap::Filter;
    use tokio::sync::Semaphore;

    use super::*;
    use crate::tap::{Scope, Taps};

    fn watch(taps: &Arc<Taps>) -> Watch {
        let reader = taps.open(Scope::default(), Filter::default(), 50).unwrap();
        let permit = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        Watch::new(reader, Arc::new(Fleet::new(Duration::ZERO)), CancellationToken::new(), permit)
    }

    #[test]
    fn what_is_not_shown_is_counted_by_reason() {
        let lost = Lost { rate: 1200, queue: 3, ..Lost::default() };
        assert_eq!(dropped(&lost), "1,203 not shown: 1,200 over 50 a second, 3 because the way here was full");
        assert_eq!(dropped(&Lost::default()), "");
        assert_eq!(dropped(&Lost { pods: 2, ..Lost::default() }), "2 pods are not tapped because there are too many");
    }

    #[tokio::test]
    async fn a_tap_ends_with_its_page() {
        let taps = Arc::<Taps>::default();
        let mut watch = watch(&taps);
        assert!(watch.next().await.is_some(), "the page is told at once that it is heard");
        assert_eq!((taps.count(), watch.said.pods.as_str()), (1, "No pod is tapped yet"));
        drop(watch);
        assert_eq!(taps.count(), 0);
    }

    #[tokio::test]
    async fn a_reader_who_is_refused_is_told_why_and_no_more() {
        let permit = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let mut watch = Watch::refused("too many", CancellationToken::new(), permit);
        assert!(watch.next().await.is_some() && watch.next().await.is_none());
        assert_eq!(watch.said.ended, "too many.");
    }
}
