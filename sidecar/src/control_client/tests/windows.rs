//! Tests that windows are sent after the reports that cover them, and that a drain sends everything that it can.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mesh::routes::route_patterns::Pins;
use mesh::window::{Window, WindowKind};
use proto::convert::greeting::Greeting;
use proto::convert::windows::decode_window;
use proto::wire;
use proto::wire::{down, up};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::control_client::ControlClient;
use crate::control_client::dial::{StreamToken, Transport};
use crate::control_client::rule_instances::RuleInstances;
use crate::control_client::tests::control_plane::{Mesh, Stream};
use crate::decorator::background::Background;
use crate::decorator::catalog::Catalog;
use crate::decorator::pod_names::PodNames;
use crate::identity::{Identity, PodDescription};
use crate::ledger::collector::LedgerHandle;
use crate::ledger::tests::counted;
use crate::ledger::windows::Moment;
use crate::resources::Meter;
use crate::sidecar::tests::world::within;
use crate::worker::Workers;

/// A control client whose ledger and clock are controlled by the test.
struct House {
    ledger_handle: LedgerHandle,
    at: Instant,
    unix_ms: u64,
    drain: CancellationToken,
    link: JoinSet<()>,
}

/// The start of a process that holds no window back, in nanoseconds since the Unix epoch.
const EPOCH: u64 = 1_700_000_000_000_000_000;

impl House {
    fn start(mesh: &Mesh) -> Self {
        Self::begun(mesh, EPOCH)
    }

    fn begun(mesh: &Mesh, epoch: u64) -> Self {
        // No collector runs: only the test adds counts.
        let (ledger_handle, _) = LedgerHandle::open(Meter::new());
        let Identity { workload, .. } = Identity::new(PodDescription::default());
        let link = ControlClient {
            control_plane: mesh.with(StreamToken::None),
            transport: Transport::Tcp,
            greeting: Greeting { workload, epoch, session: 0, protected: vec![], uptime: None, known: None },
            routes: Pins::default(),
            ledger_handle: ledger_handle.clone(),
            instances: RuleInstances::new(Catalog {
                pod: PodNames { service: "legacy".into(), pod: "legacy-1".into() },
                background: Background::none(),
                own_ports: Vec::new(),
            }),
            workers: Arc::new(Workers::none()),
            exchange_bus: Arc::default(),
            metrics: Arc::default(),
            first_rules: None,
        };
        let (drain, mut tasks) = (CancellationToken::new(), JoinSet::new());
        tasks.spawn(link.run(drain.clone()));
        Self { ledger_handle, at: Instant::now(), unix_ms: 1_700_000_000_000, drain, link: tasks }
    }

    /// Counts so many hits, and closes the window with them.
    fn count(&mut self, hits: usize) {
        self.ledger_handle.read(|ledger| ledger.absorb(vec![counted("/a", 0, &vec![1000; hits])]));
        let now = Moment { unix_ms: self.unix_ms, at: self.at };
        self.ledger_handle.read(|ledger| ledger.close_window(now));
        self.unix_ms += 10_000;
    }

    async fn left(mut self) {
        self.drain.cancel();
        within(self.link.join_next()).await.unwrap().unwrap();
    }
}

/// The received messages, in order.
#[derive(Debug, PartialEq)]
enum Came {
    Report { hits: u64 },
    Window { id: u64, hits: u64 },
    Baseline { mark: u64, hits: u64 },
    Bye,
}

impl Stream {
    async fn welcome_to(&mut self, durable_window: u64, wants_baseline: bool, windows_in_flight_max: u32) {
        let live_ms = 100;
        let welcome = wire::Welcome { live_ms, durable_window, wants_baseline, windows_in_flight_max, ..Default::default() };
        self.say(down::Message::Welcome(welcome)).await;
    }

    async fn ack(&mut self, durable_window: u64) {
        self.say(down::Message::Acked(wire::WindowAck { durable_window })).await;
    }

    /// The next message; reports without news are skipped.
    async fn next(&mut self) -> Came {
        loop {
            match self.receive().await.expect("the stream ended too early") {
                up::Message::Live(live) => {
                    let report = self.decoder.decode(&live).unwrap();
                    let hits = report.endpoints.iter().map(|endpoint| endpoint.golden.hits).sum();
                    if hits > 0 || report.seq == 1 {
                        return Came::Report { hits };
                    }
                }
                up::Message::Window(window) => {
                    let window = decode_window(&mut self.decoder, &window).unwrap().unpack();
                    let (hits, Window { id, kind, .. }) = (window.sum().hits, window);
                    return if kind == WindowKind::Baseline {
                        Came::Baseline { mark: id, hits }
                    } else {
                        Came::Window { id, hits }
                    };
                }
                up::Message::Bye(_) => return Came::Bye,
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn windows_follow_the_report_that_covers_them_and_come_again_until_they_are_acked() {
    let mut mesh = Mesh::start().await;
    let mut house = House::start(&mesh);
    let mut stream = mesh.next().await;
    house.count(3);
    house.count(4);
    stream.welcome_to(0, false, 1).await;
    assert_eq!(stream.next().await, Came::Report { hits: 7 });
    assert_eq!(stream.next().await, Came::Window { id: 170_000_000, hits: 3 });
    house.count(5);
    assert_eq!(stream.next().await, Came::Report { hits: 5 }, "the first is not acked, and one at a time was agreed on");
    stream.ack(170_000_000).await;
    assert_eq!(stream.next().await, Came::Window { id: 170_000_001, hits: 4 });

    // The stream breaks. Acks stay valid; of the rest the control plane has kept one window, and lost the reports.
    drop(stream);
    let mut stream = mesh.next().await;
    stream.welcome_to(170_000_001, true, 16).await;
    assert_eq!(stream.next().await, Came::Baseline { mark: 170_000_001, hits: 7 });
    assert_eq!(stream.next().await, Came::Report { hits: 12 });
    assert_eq!(stream.next().await, Came::Window { id: 170_000_002, hits: 5 });
    stream.ack(170_000_002).await;
    house.drain.cancel();
    assert_eq!(stream.next().await, Came::Bye);
    drop(stream);
    house.left().await;
}

#[tokio::test]
async fn a_drain_waits_until_the_last_window_is_acked() {
    let mut mesh = Mesh::start().await;
    let mut house = House::start(&mesh);
    let mut stream = mesh.next().await;
    stream.welcome_to(0, false, 16).await;
    assert_eq!(stream.next().await, Came::Report { hits: 0 });
    house.count(3);
    house.ledger_handle.read(|ledger| ledger.absorb(vec![counted("/a", 0, &[1, 2])]));
    house.drain.cancel();
    let mut hits = 0;
    let last = loop {
        match stream.next().await {
            Came::Report { .. } => {}
            Came::Window { hits: 2, id } => break id,
            Came::Window { hits: more, .. } => hits += more,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(hits, 3, "the one that was held came before the one that was open");
    assert!(house.link.try_join_next().is_none(), "it has left before it could know");
    stream.ack(last).await;
    assert_eq!(stream.next().await, Came::Bye);
    drop(stream);
    house.left().await;
}

#[tokio::test]
async fn a_window_is_held_back_by_another_time_for_each_process_unless_it_leaves() {
    const HELD_BACK: Duration = Duration::from_millis(700);
    let mut mesh = Mesh::start().await;
    let mut house = House::begun(&mesh, EPOCH + HELD_BACK.as_nanos() as u64);
    let mut stream = mesh.next().await;
    stream.welcome_to(0, false, 16).await;
    house.count(3);
    while stream.next().await != (Came::Window { id: 170_000_000, hits: 3 }) {}
    assert!(house.at.elapsed() >= HELD_BACK, "after {:?}", house.at.elapsed());
    stream.ack(170_000_000).await;

    // A window closed an hour from now is not due within the test's time limit, but the drain closes and sends it.
    house.at += Duration::from_secs(3600);
    house.count(4);
    house.drain.cancel();
    while stream.next().await != (Came::Window { id: 170_000_001, hits: 4 }) {}
    stream.ack(170_000_001).await;
    while stream.next().await != Came::Bye {}
    drop(stream);
    house.left().await;
}

#[tokio::test]
async fn a_drain_while_the_control_plane_restarts_finds_it_again() {
    let mut mesh = Mesh::start().await;
    let mut house = House::start(&mesh);
    let mut stream = mesh.next().await;
    stream.welcome_to(0, false, 16).await;
    assert_eq!(stream.next().await, Came::Report { hits: 0 });
    house.count(3);
    house.drain.cancel();
    while stream.next().await != (Came::Window { id: 170_000_000, hits: 3 }) {}
    drop(stream);
    let mut stream = mesh.next().await;
    stream.welcome_to(170_000_000, true, 16).await;
    assert_eq!(stream.next().await, Came::Baseline { mark: 170_000_000, hits: 3 });
    while stream.next().await != Came::Bye {}
    drop(stream);
    house.left().await;
}

#[tokio::test]
async fn a_control_plane_that_keeps_no_windows_gets_none_and_is_not_waited_for() {
    let mut mesh = Mesh::start().await;
    let mut house = House::start(&mesh);
    let mut stream = mesh.next().await;
    house.count(3);
    stream.welcome().await;
    assert_eq!(stream.next().await, Came::Report { hits: 3 });
    house.drain.cancel();
    assert_eq!(stream.next().await, Came::Bye);
    drop(stream);
    house.left().await;
}

#[tokio::test]
async fn a_stream_that_has_named_all_it_may_ends_and_the_next_one_names_what_is_there() {
    let mut mesh = Mesh::start().await;
    let house = House::start(&mesh);
    let mut stream = mesh.next().await;
    stream.welcome_to(0, false, 16).await;
    assert_eq!(stream.next().await, Came::Report { hits: 0 });
    let count = |prefix: &str| {
        let each = (0..600).map(|at| counted(&format!("{prefix}{at}"), 0, &[1])).collect();
        house.ledger_handle.read(|ledger| ledger.absorb(each));
    };
    count("/users/a");
    assert_eq!(stream.next().await, Came::Report { hits: 600 });
    house.ledger_handle.read(|ledger| ledger.pin(Pins::new(&["/users/{name}".parse().unwrap()])));
    count("/b");
    while stream.receive().await.is_some() {}
    drop(stream);

    let mut stream = mesh.next().await;
    stream.welcome_to(0, false, 16).await;
    let snapshot = stream.report().await;
    assert_eq!(snapshot.endpoints.len(), 601);
    assert_eq!(snapshot.endpoints.iter().map(|reported| reported.golden.hits).sum::<u64>(), 1200);
    house.drain.cancel();
    // A window with all of it follows, and each window is acked.
    while let Some(said) = stream.receive().await {
        if let up::Message::Window(window) = said {
            let id = decode_window(&mut stream.decoder, &window).unwrap().id;
            stream.ack(id).await;
        }
    }
    drop(stream);
    house.left().await;
}
