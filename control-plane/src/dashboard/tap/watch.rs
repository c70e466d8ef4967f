//! The event stream of one tap page: batches exchanges and sends them as formatted rows a few times a second.

use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::time::{Interval, MissedTickBehavior};

use crate::clock;
use crate::counts::fleet::address_index::AddressIndex;
use crate::dashboard::live_values::flatten::values_of;
use crate::dashboard::live_values::values::Values;
use crate::dashboard::patch::event;
use crate::dashboard::request::{RequestCells, RequestPlace};
use crate::history::request::HistorySource;
use crate::query::reader::Reader;
use crate::tap::open::TapLosses;
use crate::tap::{TapReader, open};
use format::number;

/// How often rows are sent: a person perceives it as immediate.
const TICK: Duration = Duration::from_millis(250);

/// Ticks after which a message is sent even without news, so that the page knows that the stream is alive.
const QUIET_TICKS: u32 = 4;

/// Rows in one message. The rest comes with the next tick.
const ROWS_MAX: usize = 100;

/// How long the address index is cached: a pod that joins makes no calls in its first second.
const KNOWN_FOR_MS: u64 = 1000;

/// The stream of one tap page.
pub(super) struct TapWatch {
    tap: Option<TapReader>,
    /// Resolves the callers' addresses; `None` for a stream without exchanges.
    callers: CallerNames,
    /// The texts that were sent last: which pods are tapped, and what is not shown.
    said: Said,
    pods: usize,
    shown: u64,
    quiet: u32,
    ticks: Interval,
    state: WatchState,
    reader: Reader,
    _permit: OwnedSemaphorePermit,
}

/// The address index, rebuilt once a second.
#[derive(Default)]
struct CallerNames {
    owners: AddressIndex,
    known_ms: u64,
}

/// The state of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WatchState {
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

impl TapWatch {
    pub(super) fn new(tap: TapReader, reader: Reader, permit: OwnedSemaphorePermit) -> Self {
        Self::with(Some(tap), Said::default(), reader, permit)
    }

    /// A stream that only reports why it was refused.
    pub(super) fn refused(why: &str, reader: Reader, permit: OwnedSemaphorePermit) -> Self {
        Self::with(None, Said { ended: format!("{why}."), ..Said::default() }, reader, permit)
    }

    fn with(tap: Option<TapReader>, said: Said, reader: Reader, permit: OwnedSemaphorePermit) -> Self {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            tap,
            callers: CallerNames::default(),
            said,
            pods: 0,
            shown: 0,
            quiet: 0,
            ticks,
            state: WatchState::New,
            reader,
            _permit: permit,
        }
    }

    /// The next message; `None` after the last one.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        while self.state != WatchState::Ended {
            tokio::select! {
                _ = self.ticks.tick() => {}
                _ = self.reader.ended() => return None,
            }
            let is_new = self.state == WatchState::New;
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
        self.state = WatchState::Open;
        let mut rows = Vec::new();
        let owners = self.callers.owners(&self.reader, clock::now_ms());
        while rows.len() < ROWS_MAX {
            match self.tap.as_mut().map_or(Err(TryRecvError::Disconnected), |tap| tap.events.try_recv()) {
                Ok(open::TapEvent::Joined(_)) => self.pods += 1,
                Ok(open::TapEvent::Left(_)) => self.pods = self.pods.saturating_sub(1),
                Ok(open::TapEvent::Seen(pod, seen)) => {
                    let place = RequestPlace {
                        namespace: &pod.namespace,
                        service: &pod.service,
                        endpoint: &seen.endpoint,
                        pod: &pod.pod,
                    };
                    rows.push(values_of(&RequestCells::of(place, seen.exchange.clone(), HistorySource::Fetched, owners)));
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    self.state = WatchState::Ended;
                    break;
                }
            }
        }
        self.shown += rows.len() as u64;
        rows
    }

    fn words(&self) -> Said {
        let Some(tap) = &self.tap else { return self.said.clone() };
        let ended = if self.state == WatchState::Ended { "The page has read nothing for too long." } else { "" };
        Said {
            pods: match self.pods {
                0 => "No pod is tapped yet".into(),
                1 => "1 pod is tapped".into(),
                pods => format!("{} pods are tapped", number::count(pods as u64)),
            },
            dropped: dropped(&tap.tap.losses()),
            ended: ended.into(),
        }
    }
}

impl CallerNames {
    fn owners(&mut self, reader: &Reader, now_ms: u64) -> &AddressIndex {
        if now_ms.abs_diff(self.known_ms) >= KNOWN_FOR_MS {
            (self.owners, self.known_ms) = (reader.address_owners(now_ms), now_ms);
        }
        &self.owners
    }
}

/// What was not shown, and why; empty if everything was.
fn dropped(lost: &TapLosses) -> String {
    let all = lost.rate.saturating_add(lost.queue).saturating_add(lost.reader);
    let part = |count: u64, why: &str| (count > 0).then(|| format!("{} {why}", number::count(count)));
    let parts: Vec<String> = [
        part(lost.rate, "over 50 a second"),
        part(lost.queue, "because a queue on the way was full"),
        part(lost.reader, "because this page did not keep up"),
    ]
    .into_iter()
    .flatten()
    .collect();
    let not_shown = (all > 0).then(|| format!("{} not shown: {}", number::count(all), parts.join(", ")));
    let pods = part(lost.pods, "pods are not tapped: there are too many");
    not_shown.into_iter().chain(pods).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use mesh::tap::Filter;
    use tokio::sync::Semaphore;

    use super::*;
    use crate::dashboard::sample;
    use crate::tap::OpenTaps;
    use crate::tap::scope::TapScope;

    fn watch(taps: &std::sync::Arc<OpenTaps>) -> TapWatch {
        let reader = taps.open(TapScope::default(), Filter::default(), 50).unwrap();
        let permit = std::sync::Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        TapWatch::new(reader, sample::reader(), permit)
    }

    #[test]
    fn what_is_not_shown_is_counted_by_reason() {
        let lost = TapLosses { rate: 1200, queue: 3, ..TapLosses::default() };
        assert_eq!(dropped(&lost), "1,203 not shown: 1,200 over 50 a second, 3 because a queue on the way was full");
        assert_eq!(dropped(&TapLosses::default()), "");
        assert_eq!(dropped(&TapLosses { pods: 2, ..TapLosses::default() }), "2 pods are not tapped: there are too many");
    }

    #[tokio::test]
    async fn a_tap_ends_with_its_page() {
        let taps = std::sync::Arc::<OpenTaps>::default();
        let mut watch = watch(&taps);
        assert!(watch.next().await.is_some(), "the page learns at once that it is connected");
        assert_eq!((taps.count(), watch.said.pods.as_str()), (1, "No pod is tapped yet"));
        drop(watch);
        assert_eq!(taps.count(), 0);
    }

    #[tokio::test]
    async fn a_refused_reader_gets_the_reason_and_no_more() {
        let permit = std::sync::Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let mut watch = TapWatch::refused("too many", sample::reader(), permit);
        assert!(watch.next().await.is_some() && watch.next().await.is_none());
        assert_eq!(watch.said.ended, "too many.");
    }
}
