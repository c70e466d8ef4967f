//! Tests of the access log: what a line says, that left-out exchanges are counted, and that an output may hang or break.

use std::io::{self, Write};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use mesh::endpoint::Endpoint;
use mesh::exchange::Outcome;
use mesh::trace::Traceparent;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::export::access_log::{AccessLog, LineCounts, line};
use crate::recorder::completed_exchange::CompletedExchange;
use crate::recorder::exchange_bus::ExchangeBus;
use crate::recorder::tests::finished;

/// Only ends a test that hangs; nothing here takes long.
const PATIENCE: Duration = Duration::from_secs(30);

/// An output whose lines the test can read.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Paper {
    fn lines(&self) -> Vec<Value> {
        let written = self.0.lock().unwrap();
        written
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect()
    }
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An output that blocks until the test releases it, and then fails.
struct Stuck(mpsc::Receiver<()>);

impl Write for Stuck {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        let _ = self.0.recv();
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn open(exchange_bus: &Arc<ExchangeBus>, lines_per_second: u32) -> (AccessLog, Arc<LineCounts>) {
    let lines = Arc::<LineCounts>::default();
    (AccessLog::open(exchange_bus, "web-0".to_owned(), lines_per_second, Arc::clone(&lines)).unwrap(), lines)
}

fn pass(exchange_bus: &ExchangeBus, times: u16) {
    let endpoint = Endpoint::named("GET", "/a").unwrap();
    (0..times).for_each(|_| exchange_bus.pass(&endpoint, &finished("/a", 200, 7)));
}

#[tokio::test]
async fn a_line_says_what_happened_and_nothing_in_it_can_end_it() {
    let (exchange_bus, paper, drain) = (Arc::<ExchangeBus>::default(), Paper::default(), CancellationToken::new());
    let (log, lines) = open(&exchange_bus, 10);
    let trace = Traceparent::parse(b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    let reported = CompletedExchange {
        started_ms: 1_544_042_305_989,
        first_byte_us: 40,
        caller: Some([10, 0, 0, 7].into()),
        rule: Some("r\"1"),
        trace,
        ..finished("/users/4\"\n\u{1b}[2J?token=secret", 503, 70)
    };
    exchange_bus.pass(&Endpoint::named("GET", "/users/{id}").unwrap(), &reported);
    drain.cancel();
    log.run(paper.clone(), drain).await;

    let line = json!({
        "time": "2018-12-05T20:38:25.989Z", "method": "GET", "route": "/users/{id}", "path": "/users/4\"\n\u{1b}[2J",
        "status": 503, "outcome": reported.outcome.word(), "duration_us": 70, "first_byte_us": 40, "bytes_in": 1, "bytes_out": 2,
        "caller": "10.0.0.7", "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "rule": "r\"1", "pod": "web-0",
    });
    assert_eq!(paper.lines(), [line]);
    assert!(paper.0.lock().unwrap().strip_suffix(b"\n").is_some_and(|line| !line.contains(&b'\n')));
    assert_eq!(lines.written.load(Ordering::Relaxed), 1);
}

#[test]
fn a_terminal_shows_every_character_of_a_line() {
    let mut written = Vec::new();
    line::write(&mut written, &json!({ "path": "/a\u{202e}b/\u{200b}\u{e9}" }));
    assert_eq!(String::from_utf8(written).unwrap(), "{\"path\":\"/a\\u202eb/\\u200b\u{e9}\"}\n");
}

#[test]
fn a_refused_request_is_a_line_with_its_reason() {
    let exchange_bus = Arc::<ExchangeBus>::default();
    let (mut log, _) = open(&exchange_bus, 10);
    let refused = CompletedExchange { outcome: Outcome::BadRequest, reason: "target", ..finished("/a#b", 400, 0) };
    exchange_bus.pass_refusal(&refused);
    exchange_bus.pass(&Endpoint::named("GET", "/a").unwrap(), &CompletedExchange { reason: "Fine", ..finished("/a", 200, 7) });
    let mut paper = Paper::default();
    paper.write_all(&log.chunk(log.at)).unwrap();
    let lines = paper.lines();
    assert_eq!((&lines[0]["route"], &lines[0]["path"]), (&json!("(other)"), &json!("/a")));
    assert_eq!((&lines[0]["outcome"], &lines[0]["reason"]), (&json!("bad-request"), &json!("target")));
    assert_eq!(lines[1].get("reason"), None, "a service's reason phrase is not logged");
}

#[test]
fn what_is_over_the_rate_is_counted_in_a_line() {
    let exchange_bus = Arc::<ExchangeBus>::default();
    let (mut log, lines) = open(&exchange_bus, 50);
    pass(&exchange_bus, 60);
    let start = log.at;
    let mut paper = Paper::default();
    let mut tick = |log: &mut AccessLog, after_ms| {
        paper.write_all(&log.chunk(start + Duration::from_millis(after_ms))).unwrap();
        paper.lines().len()
    };
    assert_eq!(tick(&mut log, 0), 51, "a second's worth, and that there was more");
    pass(&exchange_bus, 20);
    assert_eq!(tick(&mut log, 100), 56, "a tenth of a second's worth");
    assert_eq!(tick(&mut log, 400), 71, "the others as soon as they may");
    let reported = &paper.lines()[50];
    assert_eq!((&reported["left_out"], &reported["left_out_total"], &reported["pod"]), (&json!(10), &json!(10), &json!("web-0")));
    assert_eq!((lines.written.load(Ordering::Relaxed), lines.left_out.load(Ordering::Relaxed)), (70, 10));
}

#[tokio::test]
async fn an_output_that_is_not_read_delays_no_exchange() {
    let exchange_bus = Arc::<ExchangeBus>::default();
    let (log, lines) = open(&exchange_bus, 100);
    let (let_go, held) = mpsc::channel();
    let drain = CancellationToken::new();
    let passing = async {
        let until = Instant::now() + PATIENCE;
        while lines.left_out.load(Ordering::Relaxed) < 1_000 && Instant::now() < until {
            pass(&exchange_bus, 50);
            tokio::task::yield_now().await;
        }
        drain.cancel();
    };
    tokio::join!(log.run(Stuck(held), drain.clone()), passing);
    assert!(lines.left_out.load(Ordering::Relaxed) >= 1_000);
    drop(let_go);
}

#[tokio::test]
async fn an_output_that_is_broken_ends_the_log_and_costs_nothing_more() {
    let exchange_bus = Arc::<ExchangeBus>::default();
    let (log, lines) = open(&exchange_bus, 100);
    let (let_go, held) = mpsc::channel();
    drop(let_go);
    pass(&exchange_bus, 5);
    // No drain is requested: the log ends by itself.
    tokio::time::timeout(PATIENCE, log.run(Stuck(held), CancellationToken::new())).await.unwrap();
    let written = lines.written.load(Ordering::Relaxed);
    pass(&exchange_bus, 500);
    assert_eq!((lines.written.load(Ordering::Relaxed), lines.left_out.load(Ordering::Relaxed)), (written, 0));
}
