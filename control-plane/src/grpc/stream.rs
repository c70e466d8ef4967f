//! Serves one sidecar's stream from its Hello to its end: reports and receipts up, rules down.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mesh::histogram::SCALE;
use mesh::window::WINDOW_S;
use proto::convert::InvalidMessage;
use proto::convert::greeting::Greeting;
use proto::wire;
use proto::wire::{Down, Up, down, up};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::StreamExt;
use tonic::{Code, Status, Streaming};

use crate::clock::now_ms;
use crate::counts::fleet::not_attached::NotAttached;
use crate::counts::fleet::stream_session::StreamSession;
use crate::grpc::admission::SidecarIdentity;
use crate::grpc::stream::inbound::{FrameEffect, Inbound, refuse, superseded};
use crate::grpc::stream::rule_updates::RuleUpdates;
use crate::grpc::stream_events::{StreamEvent, stream_events};
use crate::grpc::windows::WindowProgress;
use crate::model::durability::Durability;
use crate::model::rules_state::RulesState;
use crate::state::AppState;
use crate::store::StoreError;
use crate::store_id;

mod inbound;
mod rule_updates;

/// How long a sidecar may take to send its Hello.
const HELLO_WITHIN: Duration = Duration::from_secs(10);

/// How long a sidecar may leave a message unread before it has to attach again.
const READ_WITHIN: Duration = Duration::from_secs(10);

/// How long a sidecar may go without our time: in a minute, two clocks drift apart by some
/// milliseconds.
const TIME_EVERY: Duration = Duration::from_secs(60);

/// How often sidecars report. Users do not need it faster.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// Endpoints that a sidecar counts separately.
const ENDPOINTS_PER_POD_MAX: u32 = 256;

/// Failures that go along with a report, so that a pod that dies of them leaves a trace. A pod that
/// does not fail sends none.
const FAILURES_PER_REPORT: u32 = 8;

/// A stream and the task that serves it.
pub(super) struct SidecarStream {
    state: Arc<AppState>,
    up: Streaming<Up>,
    down: mpsc::Sender<Result<Down, Status>>,
    /// When the last message was sent, and our time with it.
    timed: Instant,
    peer: IpAddr,
    identity: SidecarIdentity,
}

impl SidecarStream {
    pub(super) fn new(
        state: Arc<AppState>,
        peer: IpAddr,
        identity: SidecarIdentity,
        up: Streaming<Up>,
        down: mpsc::Sender<Result<Down, Status>>,
    ) -> Self {
        Self { state, up, down, timed: Instant::now(), peer, identity }
    }

    pub(super) async fn run(mut self) {
        self.state.stream_counts.open.up();
        let ended = self.serve().await;
        self.state.stream_counts.open.down();
        if let Err(status) = ended {
            // A sidecar that is gone needs no reason, and one that does not read gets none.
            let _ = self.down.try_send(Err(status));
        }
    }

    async fn serve(&mut self) -> Result<(), Status> {
        let greeting = self.greeting().await?;
        self.identity.check(&greeting.workload).inspect_err(|_| self.state.stream_counts.strangers.up())?;
        if let Some(why) = store_id::lost_rules(&greeting, &self.state.rules.state()) {
            self.state.warn_store_replaced(why);
        }
        let session = self.state.fleet.attach(greeting, now_ms()).map_err(|why| not_attached(&why))?;
        session.set_peer_address(self.peer);
        let pod = session.workload().pod.clone();
        tracing::info!(pod, service = session.workload().service, "attached");
        let ended = self.run_session(&session).await;
        if let Some(why) = ended.as_ref().err().filter(|why| why.code() == Code::InvalidArgument) {
            session.record_refusal(why.message(), now_ms());
        }
        drop(session);
        self.state.fleet.stream_ended();
        match &ended {
            Ok(()) => tracing::info!(pod, "detached"),
            Err(why) => tracing::info!(pod, why = why.message(), "detached"),
        }
        ended
    }

    /// Reads the first message, which identifies the sidecar.
    async fn greeting(&mut self) -> Result<Greeting, Status> {
        let late = || Status::deadline_exceeded(format!("no Hello within {HELLO_WITHIN:?}"));
        let first = tokio::select! {
            first = tokio::time::timeout(HELLO_WITHIN, self.up.message()) => first.map_err(|_| late())??,
            () = self.state.drain.cancelled() => return Err(draining()),
        };
        match first.and_then(|first| first.message) {
            Some(up::Message::Hello(hello)) => Greeting::try_from(hello).map_err(|why| refuse(&self.state, &why)),
            Some(_) => Err(refuse(&self.state, &InvalidMessage::Missing("hello (as the first message)"))),
            None => Err(Status::cancelled("the stream ended before a Hello")),
        }
    }

    /// Exchanges messages until one side leaves. Rules are sent first, so that a sidecar can wait
    /// for them.
    async fn run_session(&mut self, session: &StreamSession) -> Result<(), Status> {
        let windows = WindowProgress::new(session, self.mark(session).await?);
        // Subscribed before the rules are read, so that no change is missed.
        let mut stream_events = stream_events(session, &self.state, windows.acked());
        self.send_message(down::Message::Welcome(windows.welcome(welcome(&self.state.rules.state())))).await?;
        let mut inbound = Inbound::new(Arc::clone(&self.state), session.workload(), windows);
        self.send_rules(session, &mut inbound.rules).await?;
        let expiry = expiry(self.identity.until());
        tokio::pin!(expiry);
        loop {
            // Events are sent first: a sidecar that never pauses must receive them, too.
            tokio::select! {
                biased;
                Some(event) = stream_events.next() => self.handle_event(session, &mut inbound, event).await?,
                () = &mut expiry => return Err(expired()),
                received = self.up.message() => {
                    if let FrameEffect::End = inbound.handle(session, received)? { return Ok(()) }
                    self.send_new_revision(session, &mut inbound.rules).await?;
                    self.send_time().await?;
                }
            }
        }
    }

    /// Sends the message for an event, or returns why the stream has to end.
    async fn handle_event(&mut self, session: &StreamSession, inbound: &mut Inbound, event: StreamEvent) -> Result<(), Status> {
        let message = match event {
            StreamEvent::Rules => return self.send_rules(session, &mut inbound.rules).await,
            StreamEvent::Fetch(request) => inbound.fetches.start(request).map(down::Message::Fetch),
            StreamEvent::Taps(open) => inbound.taps.update(&open).map(down::Message::Taps),
            StreamEvent::Written(mark) => Some(inbound.windows.acknowledge(mark)),
            StreamEvent::Room(true) => return inbound.windows.end_if_crowded_out(),
            StreamEvent::Room(false) => None,
            StreamEvent::Superseded => return Err(superseded()),
            StreamEvent::Draining => return Err(draining()),
        };
        match message {
            Some(message) => self.send_message(message).await,
            None => Ok(()),
        }
    }

    /// The mark of this process: the last slot up to which everything is on disk. It covers what another control plane has
    /// acknowledged, or else the sidecar counts windows as lost.
    async fn mark(&self, session: &StreamSession) -> Result<u64, Status> {
        let _slot = self.state.mark_reads.acquire().await.map_err(|_| Status::unavailable("the control plane is stopping"))?;
        let (metrics_store, process) = (Arc::clone(&self.state.window_queue.metrics_store), session.process());
        let reading = tokio::task::spawn_blocking(move || metrics_store.acknowledged_marks(&[process]));
        let marks = reading.await.map_err(|panic| Status::unavailable(panic.to_string()))?;
        let since_ms = match self.state.window_queue.durability() {
            Durability::Durable => None,
            Durability::NotDurable { since_ms, .. } => Some(since_ms),
        };
        // The store may have dropped a mark that is still known here.
        let known = session.known_mark(None).unwrap_or_default();
        marks.map(|marks| marks.first().copied().unwrap_or_default().max(known)).or_else(|why| {
            let unknown = || Status::unavailable(format!("the durable mark of this pod cannot be read: {why}"));
            if let StoreError::Unconfirmed(_) = why {
                return Err(unknown());
            }
            session.known_mark(since_ms).ok_or_else(unknown)
        })
    }

    /// Sends rules that change nothing for this pod after its next report: the revision under which
    /// it obeys them is new. Streams whose rules have changed are woken, and come first.
    async fn send_new_revision(&mut self, session: &StreamSession, rules: &mut RuleUpdates) -> Result<(), Status> {
        if rules.is_sent(self.state.rules.revision()) {
            return Ok(());
        }
        self.send_rules(session, rules).await
    }

    /// Sends the rules if they are new, or if a resend was requested and they are not confirmed.
    async fn send_rules(&mut self, session: &StreamSession, rules: &mut RuleUpdates) -> Result<(), Status> {
        match rules.next(&self.state.rules.state(), session) {
            Some(message) => self.send_message(message).await,
            None => Ok(()),
        }
    }

    /// Sends our time alone to a sidecar that has received nothing for a while.
    async fn send_time(&mut self) -> Result<(), Status> {
        if self.timed.elapsed() < TIME_EVERY {
            return Ok(());
        }
        self.send(None).await
    }

    async fn send_message(&mut self, message: down::Message) -> Result<(), Status> {
        self.send(Some(message)).await
    }

    async fn send(&mut self, message: Option<down::Message>) -> Result<(), Status> {
        match tokio::time::timeout(READ_WITHIN, self.down.reserve()).await {
            Ok(Ok(permit)) => {
                // Read once there is room: the remaining time of a rule is counted from here.
                permit.send(Ok(Down { message, sent_ms: now_ms() }));
                self.timed = Instant::now();
                Ok(())
            }
            Ok(Err(_)) => Err(Status::cancelled("the sidecar has left")),
            Err(_) => Err(Status::deadline_exceeded(format!("the sidecar has read nothing for {READ_WITHIN:?}"))),
        }
    }
}

fn welcome(rules: &RulesState) -> wire::Welcome {
    wire::Welcome {
        store: rules.store.as_ref().to_owned(),
        live_ms: REPORT_EVERY.as_millis() as u32,
        window_s: WINDOW_S,
        hist_scale: SCALE as i32,
        max_endpoints: ENDPOINTS_PER_POD_MAX,
        samples_per_live: FAILURES_PER_REPORT,
        ..wire::Welcome::default()
    }
}

fn not_attached(why: &NotAttached) -> Status {
    match why {
        NotAttached::Full => Status::resource_exhausted(why.to_string()),
        NotAttached::Claimed(_) | NotAttached::OldSession { .. } => Status::failed_precondition(why.to_string()),
    }
}

/// Waits until a token has expired; for ever if it never does.
async fn expiry(until: Option<SystemTime>) {
    match until {
        Some(until) => tokio::time::sleep(until.duration_since(SystemTime::now()).unwrap_or_default()).await,
        None => std::future::pending().await,
    }
}

fn expired() -> Status {
    Status::unauthenticated("the service-account token of this stream has expired: reconnect with the renewed one")
}

fn draining() -> Status {
    Status::unavailable("the control plane is shutting down: attach again in a moment")
}
