//! Tests that an exchange in steady state allocates nothing, counted on the thread that carries it.
#![expect(clippy::unwrap_used, reason = "a test may end by it")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use sidecar::decorator::not_found_page::NotFoundPage;
use sidecar::exchange::context::WorkerContext;
use sidecar::exchange::options::ProxyOptions;
use sidecar::http1;
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// Exchanges until every buffer, row and pool has the size that it needs.
const WARM_UP: usize = 200;

/// Exchanges that are counted.
const COUNTED: usize = 2000;

/// An endpoint's histogram grows when a latency is outside of all earlier ones, a few times in its life. One allocation
/// in a hundred exchanges would already be four times as many.
const GROWTHS_MAX: u64 = 5;

/// Only ends a test that hangs; nothing here takes long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A kind of exchange: its name, the request, and the service's response.
struct Kind {
    name: &'static str,
    request: String,
    answer: String,
}

fn kinds() -> [Kind; 5] {
    let get = |fields: &str| format!("GET /users/42?full=1 HTTP/1.1\r\nHost: shop\r\n{fields}\r\n");
    let long = "x".repeat(10_000);
    [
        Kind { name: "a small answer", request: get(""), answer: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi".to_owned() },
        Kind {
            name: "many fields",
            request: get(
                "Traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\nUser-Agent: a\r\nAccept: */*\r\nCookie: a=1\r\nCookie: b=2\r\nX-Request-Id: 7\r\n",
            ),
            answer: "HTTP/1.1 200 OK\r\nServer: a\r\nDate: b\r\nETag: \"c\"\r\nVary: d\r\nContent-Length: 2\r\n\r\nhi".to_owned(),
        },
        Kind {
            name: "an answer of 10 KB",
            request: get(""),
            answer: format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{long}", long.len()),
        },
        Kind {
            name: "a chunked answer",
            request: get(""),
            answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n".to_owned(),
        },
        Kind {
            name: "a body both ways",
            request: "POST /users HTTP/1.1\r\nHost: shop\r\nContent-Length: 5\r\n\r\nhello".to_owned(),
            answer: "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nhi".to_owned(),
        },
    ]
}

#[test]
fn an_exchange_on_kept_connections_allocates_nothing() {
    for kind in kinds() {
        let target = service(kind.answer.clone());
        let mut conversation = Conversation::open(target, kind.request, kind.answer.len());
        conversation.go_on(WARM_UP);
        conversation.worker.collect(); // The collection is not part of an exchange; what follows it is.
        conversation.go_on(WARM_UP);

        let counted = allocation_counter::measure(|| conversation.go_on(COUNTED));

        let reported = conversation.worker.collect();
        let hits: u64 = reported.iter().map(|report| report.golden.hits).sum();
        assert_eq!(reported.iter().map(|report| report.callers.named().count()).sum::<usize>(), 1, "the caller is reported, too");
        assert!(hits >= COUNTED as u64, "{}: only {hits} exchanges were carried", kind.name);
        assert!(counted.count_total <= GROWTHS_MAX, "{}: {counted:?} for {COUNTED} exchanges", kind.name);
    }
}

/// A client that sends requests over one connection, and the worker on this thread that carries them.
struct Conversation {
    worker: Rc<WorkerContext>,
    runtime: LocalRuntime,
    orders: mpsc::SyncSender<usize>,
    done: Arc<Notify>,
    _serving: JoinSet<()>,
}

impl Conversation {
    fn open(target: SocketAddr, request: String, answer_bytes: usize) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap();
        let options = ProxyOptions { decorators: vec![Arc::new(NotFoundPage::built_in())], ..ProxyOptions::new(target) };
        let worker = Rc::new(WorkerContext::new(Arc::new(options), Arc::default()));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (orders, ordered) = mpsc::sync_channel(1);
        let done = Arc::<Notify>::default();
        let reported = Arc::clone(&done);
        thread::spawn(move || client(address, &request, answer_bytes, &ordered, &reported));
        let (stream, caller) = listener.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        let mut serving = JoinSet::new();
        let carrying = Rc::clone(&worker);
        runtime.block_on(async {
            let stream = tokio::net::TcpStream::from_std(stream).unwrap();
            serving.spawn_local(http1::serve(carrying, stream, caller.ip()));
        });
        Self { worker, runtime, orders, done, _serving: serving }
    }

    /// Carries so many exchanges.
    fn go_on(&mut self, exchanges: usize) {
        self.orders.send(exchanges).unwrap();
        self.runtime.block_on(self.done.notified());
    }
}

fn client(address: SocketAddr, request: &str, answer_bytes: usize, orders: &mpsc::Receiver<usize>, done: &Notify) {
    let mut stream = connected(TcpStream::connect(address).unwrap());
    // A rewritten head may be longer than the service's, by the field that keeps the connection alive.
    let mut answer = vec![0; answer_bytes + 1024];
    while let Ok(exchanges) = orders.recv() {
        for _ in 0..exchanges {
            stream.write_all(request.as_bytes()).unwrap();
            let mut read = 0;
            while !is_whole(&answer[..read]) {
                read += stream.read(&mut answer[read..]).unwrap();
            }
        }
        done.notify_one();
    }
}

/// Whether a response is complete, as far as the responses of this test go.
fn is_whole(answer: &[u8]) -> bool {
    let text = std::str::from_utf8(answer).unwrap();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    match head.split("Content-Length: ").nth(1) {
        Some(length) => length.lines().next().unwrap().parse::<usize>().unwrap() == body.len(),
        None => body.ends_with("0\r\n\r\n"),
    }
}

/// Answers every request on one connection alike; the cases differ in what the sidecar does with it.
fn service(answer: String) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let mut stream = connected(listener.accept().unwrap().0);
        let mut read = Vec::new();
        let mut bytes = [0; 4096];
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            match stream.read(&mut bytes) {
                Ok(0) | Err(_) => return,
                Ok(length) => read.extend_from_slice(&bytes[..length]),
            }
            if read.ends_with(b"\r\n\r\n") || read.ends_with(b"\r\n\r\nhello") {
                read.clear();
                stream.write_all(answer.as_bytes()).unwrap();
            }
        }
    });
    address
}

fn connected(stream: TcpStream) -> TcpStream {
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}
