//! A test HTTP service: responds in every framing, counts its requests, and holds responses back on demand.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;

use anyhow::ensure;

use crate::eventually::{SOON, eventually};
use crate::origin::answers::serve;

mod answers;

/// A running origin. Its threads end with their connections, its listener with the test process.
pub struct Origin {
    port: u16,
    seen: Arc<Seen>,
}

/// The requests that an origin has received.
#[derive(Default)]
pub(crate) struct Seen {
    book: Mutex<Book>,
    gate: Condvar,
}

#[derive(Default)]
struct Book {
    heads: u64,
    completed: u64,
    by_target: BTreeMap<String, u64>,
    waiting: u64,
    open: bool,
    connections: u64,
}

impl Origin {
    /// Starts an origin on a free port.
    pub fn start() -> Self {
        Self::start_on(0)
    }

    /// Starts an origin on this port.
    #[track_caller]
    pub fn start_on(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
        let port = listener.local_addr().expect("a bound listener has an address").port();
        let seen = Arc::<Seen>::default();
        let for_accept = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let seen = Arc::clone(&for_accept);
                seen.book().connections += 1;
                // The client's side of the test checks a broken connection.
                thread::spawn(move || serve(&stream, &seen));
            }
        });
        Self { port, seen }
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The number of request heads read.
    pub fn heads(&self) -> u64 {
        self.seen.book().heads
    }

    /// The number of requests read with their whole bodies.
    pub fn completed(&self) -> u64 {
        self.seen.book().completed
    }

    /// Waits until it has read this number of additional requests.
    #[track_caller]
    pub fn expect_more(&self, requests: u64) {
        let goal = self.completed() + requests;
        eventually(SOON, || {
            ensure!(self.completed() >= goal, "{} of {goal} requests so far", self.completed());
            Ok(())
        });
    }

    /// The number of requests for this target.
    pub fn asked(&self, target: &str) -> u64 {
        self.seen.book().by_target.get(target).copied().unwrap_or(0)
    }

    /// The number of connections accepted.
    pub fn connections(&self) -> u64 {
        self.seen.book().connections
    }

    /// The number of requests for `/gate` whose responses are held back.
    pub fn waiting(&self) -> u64 {
        self.seen.book().waiting
    }

    /// Releases the responses of `/gate`.
    pub fn open_gate(&self) {
        self.seen.book().open = true;
        self.seen.gate.notify_all();
    }
}

impl Seen {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().expect("nothing panics while it holds the book")
    }

    fn head(&self, target: &str) {
        let mut book = self.book();
        book.heads += 1;
        *book.by_target.entry(target.to_owned()).or_default() += 1;
    }

    fn completed(&self) {
        self.book().completed += 1;
    }

    fn wait_at_gate(&self) {
        let mut book = self.book();
        book.waiting += 1;
        let mut book = self.gate.wait_while(book, |book| !book.open).expect("nothing panics while it holds the book");
        book.waiting -= 1;
    }
}
