//! A simulated sidecar: connects, reports once a second, sends windows and confirms rules, like the real one.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mesh::report::Coverage;
use mesh::window::WindowKind;
use mesh::workload::Workload;
use proto::convert::greeting::Greeting;
use tokio::time::MissedTickBehavior;

use crate::swarm::dial::DialRoute;
use crate::swarm::size::SwarmSize;
use crate::swarm::stream::{Second, StreamMessage, SwarmStream};
use crate::swarm::tally::{SwarmCounters, TickActivity};
use crate::swarm::traffic::{Covered, PodTraffic};
use crate::swarm::windows::SwarmWindows;

/// Time between two reports.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// Pause between two attempts to attach. A real sidecar backs off; the benchmark measures the worst case.
const DIAL_AGAIN: Duration = Duration::from_millis(100);

/// The maximum delay of a window, which spreads the windows of all sidecars, as in the real one.
const HELD_BACK_MAX_MS: u64 = 4000;

/// Data that all sidecars share: their traffic, and the encoded report of one second of it.
pub(super) type Reported = (Arc<PodTraffic>, Arc<Second>);

/// A simulated sidecar.
pub struct SimulatedSidecar {
    number: usize,
    greeting: Greeting,
    way: DialRoute,
    traffic: Arc<PodTraffic>,
    second: Arc<Second>,
    tally: Arc<SwarmCounters>,
    is_first_of_service: bool,
    /// Seconds of traffic that its pod has had.
    seconds: u64,
    /// Seconds of traffic that it has reported on this stream.
    received: u64,
    windows: SwarmWindows,
    /// Delay after the end of a window before it is sent.
    held_back_ms: u64,
}

impl SimulatedSidecar {
    /// The sidecar of this number. Pods of a service have consecutive numbers.
    pub(super) fn new(
        number: usize,
        size: SwarmSize,
        way: DialRoute,
        (traffic, second): Reported,
        tally: Arc<SwarmCounters>,
    ) -> Self {
        let copies = size.sidecars.div_ceil(size.services).max(1);
        let service = format!("service-{:03}", number / copies);
        let workload = Workload {
            namespace: "default".to_owned(),
            pod: format!("{service}-6c9f7d5b8-{number:05}"),
            pod_uid: format!("0f8fad5b-d9cb-469f-a165-{number:012}"),
            service,
            node: format!("node-{:03}", number % 100),
            addresses: vec![],
            version: "0.1.0".to_owned(),
        };
        let greeting = Greeting {
            workload,
            epoch: now_ms() * 1_000_000,
            session: 0,
            protected: vec!["/healthz".to_owned()],
            uptime: None,
            known: None,
        };
        let is_first_of_service = number.is_multiple_of(copies);
        Self {
            number,
            greeting,
            way,
            traffic,
            second,
            tally,
            is_first_of_service,
            seconds: 0,
            received: 0,
            windows: SwarmWindows::default(),
            held_back_ms: number as u64 * 7919 % HELD_BACK_MAX_MS,
        }
    }

    /// Attaches, and attaches again whenever the stream ends.
    pub async fn run(mut self) {
        loop {
            self.greeting.session += 1;
            match self.attach().await {
                Ok(stream) => {
                    self.tally.record_attach();
                    let why = self.hold(stream).await;
                    self.tally.record_loss(why);
                }
                Err(why) => self.tally.record_dial_failure(why),
            }
            tokio::time::sleep(DIAL_AGAIN).await;
        }
    }

    /// Opens a stream and sends the initial snapshot.
    async fn attach(&mut self) -> Result<SwarmStream, String> {
        let channel = self.way.connect().await.map_err(|why| format!("{why:?}"))?;
        let (mut stream, welcome) = SwarmStream::open(channel, self.greeting.clone()).await.map_err(|why| why.to_string())?;
        self.windows.begin_stream(welcome.durable_window);
        if welcome.wants_baseline {
            let (mark, seconds) = self.windows.baseline();
            let _ = stream.window(&self.traffic.window(WindowKind::Baseline, mark, seconds));
        }
        self.received = self.seconds;
        let snapshot = Covered { seq: 1, coverage: Coverage::Snapshot, seconds: self.seconds, at_ms: now_ms() };
        let bytes = stream.report(&self.traffic.report(snapshot)).map_err(|()| "a new stream has no room".to_owned())?;
        self.windows.reported();
        self.tally.record_frame(self.number, snapshot.at_ms, bytes);
        Ok(stream)
    }

    /// Reports and confirms rules until the stream ends; returns the reason.
    async fn hold(&mut self, mut stream: SwarmStream) -> String {
        let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + REPORT_EVERY, REPORT_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut seq = 1;
        loop {
            tokio::select! {
                received = stream.receive() => match received {
                    StreamMessage::Rules(receipt) => stream.confirm(receipt).await,
                    StreamMessage::Kept(mark) => self.windows.acked(mark),
                    StreamMessage::Nothing => {}
                    StreamMessage::End(why) => return why,
                },
                _ = ticks.tick() => self.tick(&mut stream, &mut seq),
            }
        }
    }

    /// Counts a second of traffic, and reports it if the stream has capacity.
    fn tick(&mut self, stream: &mut SwarmStream, seq: &mut u64) {
        let is_active = match self.tally.activity() {
            TickActivity::All => true,
            TickActivity::OnePodOfEach => self.is_first_of_service,
            TickActivity::None => false,
        };
        if is_active {
            self.seconds += 1;
            self.tally.add_hits(self.traffic.hits());
        }
        self.windows.pass(now_ms(), u64::from(is_active));
        let change =
            Covered { seq: *seq + 1, coverage: Coverage::Change, seconds: self.seconds - self.received, at_ms: now_ms() };
        if !stream.has_room() {
            return self.tally.record_delayed_report();
        }
        let second = (change.seconds == 1).then(|| stream.second(change.seq, change.at_ms, &self.second)).flatten();
        if let Ok(bytes) = second.unwrap_or_else(|| stream.report(&self.traffic.report(change))) {
            (self.received, *seq) = (self.seconds, change.seq);
            self.tally.record_frame(self.number, change.at_ms, bytes);
            self.windows.reported();
        }
        self.hand_over(stream);
    }

    /// Sends a window if one is due and the stream has capacity. There is one every ten seconds.
    fn hand_over(&mut self, stream: &mut SwarmStream) {
        if !stream.has_room() {
            return;
        }
        let by_ms = now_ms().saturating_sub(self.held_back_ms);
        if let Some((slot, seconds)) = self.windows.next(by_ms)
            && let Ok(bytes) = stream.window(&self.traffic.window(WindowKind::Change, slot, seconds))
        {
            self.tally.record_window(bytes);
        }
    }
}

/// The wall clock, milliseconds since the Unix epoch.
pub(super) fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}
