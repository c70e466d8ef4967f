//! One stream's life, from the welcome to its end: a snapshot, then changes, and a receipt for each set of rules.

use std::sync::Arc;
use std::time::Duration;

use mesh::report::Coverage;
use mesh::rule::{Receipt, Verdict};
use proto::convert::live::Encoder;
use proto::wire;
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use crate::link::dial::{Attached, UP_FRAMES_MAX, refused};
use crate::link::pages::Pages;
use crate::link::taps::Taps;
use crate::link::{Link, verdict};
use crate::rulebook::pinned;

/// Time between two reports if the control plane names none.
const LIVE: Duration = Duration::from_secs(1);

/// The pace that a control plane may set, in milliseconds: neither a flood, nor so slow that a pod looks dead.
const LIVE_MS: std::ops::RangeInclusive<u32> = 100..=60_000;

/// For the last numbers and the goodbye. A drain must not hang on a control plane that has stopped reading.
const FAREWELL_MAX: Duration = Duration::from_secs(1);

/// One stream.
pub(super) struct Session {
    up: mpsc::Sender<wire::Up>,
    down: Streaming<wire::Down>,
    encoder: Encoder,
    seq: u64,
    coverage: Coverage,
    pace: Interval,
    /// The newest receipt that is not sent yet. It tells all that an older one would.
    receipt: Option<wire::Up>,
    pages: Pages,
    taps: Taps,
    samples_per_live: u32,
}

/// Why a stream ended.
pub(super) enum Ended {
    /// We are leaving.
    Drained,
    /// It broke, or the control plane closed it.
    Lost(String),
}

impl Session {
    pub(super) fn new(attached: Attached) -> Self {
        let Attached { up, down, welcome } = attached;
        let (encoder, pace) = (Encoder::default(), pace(welcome.live_ms));
        Self {
            up,
            down,
            encoder,
            seq: 0,
            coverage: Coverage::Snapshot,
            pace,
            receipt: None,
            pages: Pages::default(),
            taps: Taps::new(),
            samples_per_live: welcome.samples_per_live,
        }
    }

    pub(super) async fn run(mut self, link: &mut Link, drain: &CancellationToken) -> Ended {
        link.books.read(|ledger| ledger.tell_samples(self.samples_per_live));
        loop {
            tokio::select! {
                heard = self.down.message() => if let Some(why) = self.heed(heard, link).await { return Ended::Lost(why) },
                _ = self.pace.tick() => self.report(link).await,
                () = words(&self.up, self.receipt.is_some(), &self.pages, &mut self.taps) => self.say(),
                () = drain.cancelled() => return self.farewell(link).await,
            }
        }
    }

    /// Does what the control plane says; returns why the stream is over, if it is.
    async fn heed(&mut self, heard: Result<Option<wire::Down>, Status>, link: &mut Link) -> Option<String> {
        let message = match heard {
            Err(status) => return Some(format!("{:#}", refused(status))),
            Ok(None) => return Some("the control plane closed the stream".to_owned()),
            Ok(Some(down)) => down.message?,
        };
        match message {
            wire::down::Message::Desired(desired) => self.obey(desired, link).await,
            wire::down::Message::Tune(tune) => {
                self.pace = pace(tune.live_ms);
                link.books.read(|ledger| ledger.tell_samples(tune.samples_per_live));
            }
            wire::down::Message::Resync(_) => self.coverage = Coverage::Snapshot,
            wire::down::Message::Drain(drain) => return Some(format!("the control plane sent us away: {}", drain.why)),
            wire::down::Message::Fetch(fetch) => self.pages.look_up(fetch, &link.books).await,
            wire::down::Message::Taps(taps) => self.taps.obey(taps, &link.outlet),
            // Windows are not spoken of by this version, and a second welcome changes nothing.
            wire::down::Message::Welcome(_) | wire::down::Message::Acked(_) => {}
        }
        None
    }

    /// Puts a set of rules in force, or refuses it and leaves the last good one. Either way there is a receipt.
    async fn obey(&mut self, desired: wire::Desired, link: &mut Link) {
        let arrived = Instant::now();
        let (revision, rules_hash) = (desired.revision, desired.rules_hash);
        let verdict = match verdict::rules_for(&link.greeting, &link.routes, desired) {
            Ok(rules) => {
                let (count, pins) = (rules.len(), pinned(&rules));
                link.workers.obey(Arc::new(rules)).await;
                // Before the receipt, after which the control plane expects no old name of us.
                link.books.read(|ledger| ledger.pin(pins));
                link.meter.obeyed(count);
                tracing::info!("revision {revision} is in force, with {count} rules for this pod, after {:?}", arrived.elapsed());
                Verdict::Applied
            }
            Err(refusals) => {
                link.meter.refused();
                tracing::warn!("revision {revision} is refused, and the rules stay as they are: {}", verdict::told(&refusals));
                Verdict::Refused(refusals)
            }
        };
        let receipt = Receipt { revision, verdict, took_us: arrived.elapsed().as_micros() as u64 };
        let applied = wire::Applied { rules_hash, ..receipt.into() };
        self.receipt = Some(wire::Up { message: Some(wire::up::Message::Applied(applied)) });
        if let Some(first_rules) = link.first_rules.take() {
            // Nobody waits any more if the rules came too late for that.
            let _ = first_rules.send(());
        }
    }

    /// Says what is most urgent besides the reports.
    fn say(&mut self) {
        let words = self.receipt.take().or_else(|| self.pages.next()).or_else(|| self.taps.next());
        if let Some(words) = words {
            let _ = self.up.try_send(words);
        }
    }

    /// Sends what is new. On a busy stream nothing is made and nothing is queued: the next report covers more.
    async fn report(&mut self, link: &Link) {
        let Ok(room) = self.up.try_reserve() else { return link.meter.put_off() };
        self.seq += 1;
        let report = match self.coverage {
            Coverage::Snapshot => link.books.snapshot(self.seq).await,
            Coverage::Change => link.books.change(self.seq).await,
        };
        self.coverage = Coverage::Change;
        room.send(wire::Up { message: Some(wire::up::Message::Live(self.encoder.encode(&report))) });
        link.meter.reported();
    }

    /// Says the last numbers and goodbye, and waits until the control plane has heard it and closes its side.
    async fn farewell(mut self, link: &Link) -> Ended {
        let words = async {
            let bye = wire::Up { message: Some(wire::up::Message::Bye(wire::Bye { why: "drained".to_owned() })) };
            room(&self.up).await;
            self.report(link).await;
            for last in self.receipt.take().into_iter().chain([bye]) {
                let _ = self.up.send(last).await;
            }
            drop(self.up);
            while let Ok(Some(_)) = self.down.message().await {}
        };
        if tokio::time::timeout(FAREWELL_MAX, words).await.is_err() {
            tracing::debug!("the control plane did not close the stream within {FAREWELL_MAX:?} of our goodbye");
        }
        Ended::Drained
    }
}

/// Waits until there is something to say besides the reports, and room for it. A receipt takes any room there is;
/// what is only for people to look at leaves room for a report, so that no tap can hold up the numbers.
async fn words(up: &mpsc::Sender<wire::Up>, has_receipt: bool, pages: &Pages, taps: &mut Taps) {
    if has_receipt {
        return room(up).await;
    }
    if pages.is_empty() {
        taps.see().await;
    }
    if up.reserve_many(UP_FRAMES_MAX).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Waits until a frame can be sent. It still can when this returns, because a session is the only sender on its stream;
/// and if the stream is gone, the other branches tell why.
async fn room(up: &mpsc::Sender<wire::Up>) {
    if up.reserve().await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn pace(live_ms: u32) -> Interval {
    let every = if live_ms == 0 { LIVE } else { Duration::from_millis(live_ms.clamp(*LIVE_MS.start(), *LIVE_MS.end()).into()) };
    let mut pace = tokio::time::interval(every);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pace
}
