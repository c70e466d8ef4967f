//! A service to stand behind a sidecar: answers in every framing, counts what it is asked, holds answers back on demand.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;

use anyhow::ensure;

use crate::eventually::{SOON, eventually};
use crate::origin::answers::serve;

mod answers;

/// A running origin. Its threads end with their connections, and its listener with the test process.
pub struct Origin {
    port: u16,
    seen: Arc<Seen>,
}

/// What an origin has been asked.
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
    /// Starts one on a free port.
    pub fn start() -> Self {
        Self::start_on(0)
    }

    /// Starts one on this port.
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
                // A connection that breaks is the tunnel's affair, and the client's side of the test tells.
                thread::spawn(move || serve(&stream, &seen));
            }
        });
        Self { port, seen }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Request heads it has read.
    pub fn heads(&self) -> u64 {
        self.seen.book().heads
    }

    /// Requests it has read with their whole bodies.
    pub fn completed(&self) -> u64 {
        self.seen.book().completed
    }

    /// Waits until it has read so many requests more.
    #[track_caller]
    pub fn expect_more(&self, requests: u64) {
        let goal = self.completed() + requests;
        eventually(SOON, || {
            ensure!(self.completed() >= goal, "{} of {goal} requests so far", self.completed());
            Ok(())
        });
    }

    /// Requests it has read for this target.
    pub fn asked(&self, target: &str) -> u64 {
        self.seen.book().by_target.get(target).copied().unwrap_or(0)
    }

    /// Connections it has accepted.
    pub fn connections(&self) -> u64 {
        self.seen.book().connections
    }

    /// Requests for `/gate` whose answers are being held back.
    pub fn waiting(&self) -> u64 {
        self.seen.book().waiting
    }

    /// Lets the answers of `/gate` go.
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
