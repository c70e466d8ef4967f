//! One stream from the welcome to its end: a snapshot, then changes, and a receipt for each set of rules.

use std::time::Duration;

use mesh::report::Coverage;
use mesh::rule::{Receipt, Verdict};
use proto::convert::greeting::KnownRules;
use proto::convert::live::Encoder;
use proto::convert::rules::unsealed;
use proto::convert::windows::encode_window;
use proto::wire;
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, MissedTickBehavior};
use tonic::{Status, Streaming};

use crate::control_client::client::ControlClient;
use crate::control_client::control_clock::{ControlClock, TimeLimits};
use crate::control_client::dial::{AttachedStream, UP_FRAMES_MAX, refused};
use crate::control_client::drain_deadline::DrainDeadline;
use crate::control_client::pages::FetchAnswers;
use crate::control_client::rule_filter;
use crate::control_client::taps::ActiveTaps;
use crate::control_client::windows::{WindowUpload, ago_ms};
use crate::rulebook::pinned;
use crate::worker::RuleSource;

/// Time between two reports if the control plane sets none.
const LIVE: Duration = Duration::from_secs(1);

/// The interval that a control plane may set, in milliseconds: neither a flood, nor so slow that a pod looks dead.
const LIVE_MS: std::ops::RangeInclusive<u32> = 100..=60_000;

/// How often the token file is read. Kubernetes renews a token some minutes before it expires.
const TOKEN_CHECK_EVERY: Duration = Duration::from_secs(5);

/// For the last numbers, and again for the goodbye. A drain must not hang on a control plane that has stopped reading.
const LAST_SEND_MAX: Duration = Duration::from_secs(1);

/// The stream ends when it has named all the endpoints that it may, because pins were added and removed many times.
const USED_UP: &str = "this stream has used up its endpoint ids; reconnecting with the current endpoints only";

/// One stream.
pub(super) struct Session {
    up: mpsc::Sender<wire::Up>,
    down: Streaming<wire::Down>,
    encoder: Encoder,
    seq: u64,
    coverage: Coverage,
    report_ticks: Interval,
    /// The newest receipt that is not sent yet. It contains everything that an older one would.
    receipt: Option<wire::Up>,
    pages: FetchAnswers,
    taps: ActiveTaps,
    windows: WindowUpload,
    clock: Option<ControlClock>,
    /// The token that the stream was opened with.
    token: Option<String>,
    token_checks: Interval,
}

/// Why a stream ended.
pub(super) enum SessionEnd {
    /// This sidecar drains.
    Drained,
    /// The token was renewed; the next stream has the new one, before the old one expires.
    TokenRenewed,
    /// It broke, or the control plane closed it.
    Lost(String),
}

impl Session {
    pub(super) fn begin(attached: AttachedStream, client: &ControlClient) -> Self {
        let AttachedStream { up, down, welcome, clock, token } = attached;
        client.ledger_handle.read(|ledger| ledger.set_samples_per_report(welcome.samples_per_live));
        let mut session = Self {
            up,
            down,
            encoder: Encoder::default(),
            seq: 0,
            coverage: Coverage::Snapshot,
            report_ticks: report_ticks(welcome.live_ms),
            receipt: None,
            pages: FetchAnswers::default(),
            taps: ActiveTaps::new(),
            windows: WindowUpload::begin(&welcome, client.greeting.epoch, &client.ledger_handle),
            clock,
            token,
            token_checks: ticks(TOKEN_CHECK_EVERY),
        };
        if welcome.wants_baseline {
            session.send_baseline(client);
        }
        session
    }

    /// Sends the durable part of all counts. It is the first message of a stream, so there is always room.
    fn send_baseline(&mut self, client: &ControlClient) {
        let now = Instant::now().into_std();
        let (baseline, ended) = client.ledger_handle.read(|ledger| (ledger.baseline(), ledger.mark_ended()));
        let window = wire::Window { ended_ago_ms: ago_ms(ended, now), ..encode_window(&mut self.encoder, &baseline) };
        let _ = self.up.try_send(wire::Up { message: Some(window.into()) });
    }

    pub(super) async fn run(mut self, client: &mut ControlClient, drain_deadline: &DrainDeadline) -> SessionEnd {
        loop {
            if self.encoder.is_used_up() {
                return SessionEnd::Lost(USED_UP.to_owned());
            }
            let has_more = !self.pages.is_empty() || self.windows.has_due();
            tokio::select! {
                received = self.down.message() => if let Some(why) = self.handle(received, client).await { return SessionEnd::Lost(why) },
                _ = self.report_ticks.tick() => self.report(client).await,
                _ = self.token_checks.tick() => if self.has_new_token(client) { return SessionEnd::TokenRenewed },
                () = ready_to_send(&self.up, self.receipt.is_some(), has_more, &mut self.taps) => self.send_next(client),
                () = drain_deadline.started() => return self.shut_down(client, drain_deadline).await,
            }
        }
    }

    /// Whether the token file has another token now. A file that cannot be read is reported at the next dial.
    fn has_new_token(&self, client: &ControlClient) -> bool {
        client.control_plane.token.now().is_ok_and(|token| token != self.token)
    }

    /// Handles one message of the control plane; returns the reason if the stream is over.
    async fn handle(&mut self, received: Result<Option<wire::Down>, Status>, client: &mut ControlClient) -> Option<String> {
        let message = match received {
            Err(status) => return Some(format!("{:#}", refused(status))),
            Ok(None) => return Some("the control plane closed the stream".to_owned()),
            Ok(Some(down)) => {
                self.clock = ControlClock::from_message(down.sent_ms, Instant::now().into_std()).or(self.clock);
                down.message?
            }
        };
        match message {
            wire::down::Message::Desired(desired) => match unsealed(&desired) {
                Ok(desired) => self.apply_rules(desired, client).await,
                Err(why) => return Some(format!("the control plane sent rules that cannot be read: {why}")),
            },
            wire::down::Message::Tune(tune) => {
                self.report_ticks = report_ticks(tune.live_ms);
                client.ledger_handle.read(|ledger| ledger.set_samples_per_report(tune.samples_per_live));
            }
            wire::down::Message::Resync(_) => self.coverage = Coverage::Snapshot,
            wire::down::Message::Drain(drain) => return Some(format!("the control plane asked us to disconnect: {}", drain.why)),
            wire::down::Message::Fetch(fetch) => self.pages.look_up(fetch, &client.ledger_handle).await,
            wire::down::Message::Taps(taps) => self.taps.set(taps, &client.exchange_bus),
            wire::down::Message::Acked(ack) => self.windows.acked(ack, &client.ledger_handle),
            // A second welcome changes nothing.
            wire::down::Message::Welcome(_) => {}
        }
        None
    }

    /// Applies a set of rules, or refuses it and keeps the last good one. Either way there is a receipt.
    async fn apply_rules(&mut self, desired: wire::Desired, client: &mut ControlClient) {
        let arrived = Instant::now();
        let (revision, rules_hash) = (desired.revision, desired.rules_hash);
        let known = KnownRules { store: desired.store.clone(), revision };
        let limits = TimeLimits::new(&desired, self.clock, arrived.into_std());
        let rules = rule_filter::rules_for(&client.greeting, &client.routes, desired);
        let verdict = match rules.and_then(|rules| client.instances.instantiate(rules)) {
            Ok(mut rules) => {
                let (count, pins) = (rules.len(), pinned(rules.iter().map(|timed| &timed.rule)));
                limits.set_on(&mut rules);
                client.workers.apply_rules(RuleSource::ControlPlane, rules).await;
                // Before the receipt: after it the control plane expects no old name from this pod.
                client.ledger_handle.read(|ledger| ledger.pin(pins));
                client.metrics.set_rules(count);
                client.greeting.known = Some(known);
                tracing::info!("applied revision {revision} with {count} rules for this pod in {:?}", arrived.elapsed());
                Verdict::Applied
            }
            Err(refusals) => {
                client.metrics.count_refused();
                tracing::warn!("refused revision {revision}, keeping the current rules: {}", rule_filter::describe(&refusals));
                Verdict::Refused(refusals)
            }
        };
        let receipt = Receipt { revision, verdict, took_us: arrived.elapsed().as_micros() as u64 };
        let applied = wire::Applied { rules_hash, ..receipt.into() };
        self.receipt = Some(wire::Up { message: Some(wire::up::Message::Applied(applied)) });
        if let Some(first_rules) = client.first_rules.take() {
            // The receiver is gone if the rules came too late for it.
            let _ = first_rules.send(());
        }
    }

    /// Sends the most urgent message other than a report. A window can wait: it is kept until it is acked.
    fn send_next(&mut self, client: &ControlClient) {
        let next = self.receipt.take().or_else(|| self.pages.next());
        let next = next.or_else(|| self.windows.next(&client.ledger_handle, &mut self.encoder)).or_else(|| self.taps.next());
        if let Some(next) = next {
            let _ = self.up.try_send(next);
        }
    }

    /// Sends what is new. On a busy stream nothing is made and nothing is queued: the next report covers more.
    async fn report(&mut self, client: &ControlClient) {
        let Ok(slot) = self.up.try_reserve() else { return client.metrics.count_put_off() };
        self.seq += 1;
        // Read before the report's own time: a delay here only widens the bound on the pod's clock.
        let control_ms = self.clock.map_or(0, |clock| clock.at(Instant::now().into_std()));
        let report = match self.coverage {
            Coverage::Snapshot => client.ledger_handle.snapshot(self.seq).await,
            Coverage::Change => client.ledger_handle.change(self.seq).await,
        };
        if !self.encoder.check_numbers_for(report.endpoints.iter().map(|report| &report.endpoint)) {
            return;
        }
        self.coverage = Coverage::Change;
        let live = wire::Live { control_ms, ..self.encoder.encode(&report) };
        slot.send(wire::Up { message: Some(live.into()) });
        client.metrics.count_report();
        self.windows.look(&client.ledger_handle);
    }

    /// Sends the last numbers and a goodbye, and waits until the control plane has read them and closes its side.
    async fn shut_down(mut self, client: &ControlClient, drain_deadline: &DrainDeadline) -> SessionEnd {
        let by = drain_deadline.by();
        self.windows.hurry();
        let last_numbers = async {
            slot(&self.up).await;
            // The report after it covers the window that is closed here.
            client.ledger_handle.close_window().await;
            self.report(client).await;
        };
        let is_reported = tokio::time::timeout(LAST_SEND_MAX, last_numbers).await.is_ok();
        if is_reported && let Ok(Err(why)) = tokio::time::timeout_at(by, self.flush_windows(client)).await {
            return SessionEnd::Lost(why);
        }
        let goodbye = async {
            let bye = wire::Up { message: Some(wire::up::Message::Bye(wire::Bye { why: "drained".to_owned() })) };
            for last in self.receipt.take().into_iter().chain([bye]) {
                let _ = self.up.send(last).await;
            }
            drop(self.up);
            while let Ok(Some(_)) = self.down.message().await {}
        };
        if tokio::time::timeout(LAST_SEND_MAX, goodbye).await.is_err() {
            tracing::debug!("the control plane did not close the stream within {LAST_SEND_MAX:?} of our goodbye");
        }
        SessionEnd::Drained
    }

    /// Sends the windows that are left, and waits until they are on disk. An error if this stream cannot do that.
    async fn flush_windows(&mut self, client: &ControlClient) -> Result<(), String> {
        while client.ledger_handle.read(|ledger| ledger.has_undurable()) {
            if self.encoder.is_used_up() {
                return Err(USED_UP.to_owned());
            }
            tokio::select! {
                () = slot(&self.up), if self.windows.has_due() => self.send_window(client),
                received = self.down.message() => match received {
                    Ok(Some(wire::Down { message: Some(wire::down::Message::Acked(ack)), .. })) => self.windows.acked(ack, &client.ledger_handle),
                    Ok(Some(_)) => {}
                    Ok(None) => return Err("the control plane closed the stream before it had acked all windows".to_owned()),
                    Err(status) => return Err(format!("{:#}", refused(status))),
                },
            }
        }
        Ok(())
    }

    fn send_window(&mut self, client: &ControlClient) {
        if let Some(window) = self.windows.next(&client.ledger_handle, &mut self.encoder) {
            let _ = self.up.try_send(window);
        }
    }
}

/// Waits until there is a message other than a report, and room for it. A receipt takes any free slot. Windows, pages
/// and taps wait until a slot is left for a report, so that they cannot delay the numbers.
async fn ready_to_send(up: &mpsc::Sender<wire::Up>, has_receipt: bool, has_more: bool, taps: &mut ActiveTaps) {
    if has_receipt {
        return slot(up).await;
    }
    if !has_more {
        taps.wait().await;
    }
    if up.reserve_many(UP_FRAMES_MAX).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Waits until a frame can be sent. It still can when this returns, because a session is the only sender on its stream.
/// If the stream is gone it never returns: the other branches report why.
async fn slot(up: &mpsc::Sender<wire::Up>) {
    if up.reserve().await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn report_ticks(live_ms: u32) -> Interval {
    let every = if live_ms == 0 { LIVE } else { Duration::from_millis(live_ms.clamp(*LIVE_MS.start(), *LIVE_MS.end()).into()) };
    ticks(every)
}

fn ticks(every: Duration) -> Interval {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
