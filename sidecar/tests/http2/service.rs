//! A service of frames: it answers by path, a script can do anything else, and it remembers all that it was sent.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use bytes::Bytes;
use http2::frame::PREFACE;

use crate::support::{PATIENCE, listener};
use crate::wire::{Fields, Received, Wire, value};

/// A request as the service has received it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    /// The number of its connection, from 0.
    pub(crate) connection: usize,
    pub(crate) stream: u32,
    pub(crate) fields: Fields,
    pub(crate) body: Vec<u8>,
    /// END_STREAM has arrived.
    pub(crate) is_whole: bool,
    /// The code of RST_STREAM.
    pub(crate) reset: Option<u32>,
}

/// All that the service was sent.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) seen: Vec<Seen>,
    /// Connections accepted.
    pub(crate) connections: usize,
    /// The numbers of those that have ended.
    pub(crate) ended: Vec<usize>,
    /// For each connection, the bytes of bodies that were sent on it.
    pub(crate) sent_bytes: HashMap<usize, u64>,
}

/// How a request is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Plan {
    /// When it is whole, with 200, its method, its path and the bytes of its body.
    Echo,
    /// The same, but only after a request for `/go` on the same connection.
    Hold,
    /// Not at all.
    Silence,
    /// Not at all, and the window of its body is not given back.
    Unread,
    /// With a head and the first bytes of a body that does not end.
    Begin,
    /// With a body.
    Body(Bytes),
    /// By the script.
    Scripted,
}

/// What a script does after the head of a request; `None` stands for what the path says.
type Asked = dyn Fn(&mut Connection, &Seen) -> Option<Plan> + Send + Sync;

/// What a script does after the given number of RST_STREAM frames of a connection.
type Cancelled = dyn Fn(&mut Connection, usize) + Send + Sync;

/// What the service does besides.
pub(crate) struct Script {
    pub(crate) settings: Vec<(u16, u32)>,
    /// After a connection was accepted and its settings were sent.
    pub(crate) opened: Box<dyn Fn(&mut Connection) + Send + Sync>,
    pub(crate) asked: Box<Asked>,
    pub(crate) cancelled: Box<Cancelled>,
}

/// A connection that the service has accepted.
pub(crate) struct Connection {
    pub(crate) number: usize,
    pub(crate) wire: Wire,
    /// For each stream its place in the log, and its plan.
    open: HashMap<u32, (usize, Plan)>,
    held: Vec<u32>,
    resets: usize,
    log: Arc<Mutex<Log>>,
}

/// The service. Its threads end with their connections.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    log: Arc<Mutex<Log>>,
}

impl Default for Script {
    fn default() -> Self {
        Self { settings: Vec::new(), opened: Box::new(|_| {}), asked: Box::new(|_, _| None), cancelled: Box::new(|_, _| {}) }
    }
}

impl Seen {
    pub(crate) fn path(&self) -> &str {
        value(&self.fields, ":path").unwrap_or_default()
    }
}

impl Log {
    /// The requests for paths that begin so.
    pub(crate) fn for_path(&self, path: &str) -> Vec<&Seen> {
        self.seen.iter().filter(|seen| seen.path().starts_with(path)).collect()
    }
}

impl Service {
    pub(crate) fn start(script: Script) -> Self {
        let (listener, address) = listener();
        let log = Arc::new(Mutex::new(Log::default()));
        let (shared, script) = (Arc::clone(&log), Arc::new(script));
        // It ends with the process: a blocking accept cannot be interrupted.
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let number = shared.lock().unwrap().connections;
                shared.lock().unwrap().connections += 1;
                let (log, script) = (Arc::clone(&shared), Arc::clone(&script));
                std::thread::spawn(move || Connection::new(number, stream, log).serve(&script));
            }
        });
        Self { address, log }
    }

    /// Reads the log.
    pub(crate) fn log<T>(&self, read: impl FnOnce(&Log) -> T) -> T {
        read(&self.log.lock().unwrap())
    }

    /// Waits until it is so.
    #[track_caller]
    pub(crate) fn wait(&self, what: &str, is_so: impl Fn(&Log) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !self.log(&is_so) {
            assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
            std::thread::yield_now();
        }
    }

    /// Waits until so many requests for a path have arrived.
    #[track_caller]
    pub(crate) fn wait_for(&self, path: &str, requests: usize) {
        self.wait(&format!("{requests} requests for {path}"), |log| log.for_path(path).len() >= requests);
    }
}

impl Connection {
    fn new(number: usize, stream: TcpStream, log: Arc<Mutex<Log>>) -> Self {
        Self { number, wire: Wire::new(stream), open: HashMap::new(), held: Vec::new(), resets: 0, log }
    }

    fn serve(mut self, script: &Script) {
        self.wire.settings(&script.settings);
        (script.opened)(&mut self);
        if self.wire.skip(PREFACE.len()) {
            while let Ok(Some(received)) = self.wire.next() {
                self.take(received, script);
                self.log.lock().unwrap().sent_bytes.insert(self.number, self.wire.sent_bytes);
            }
        }
        self.log.lock().unwrap().ended.push(self.number);
    }

    fn take(&mut self, received: Received, script: &Script) {
        match received {
            Received::Head { stream, fields, end } => {
                if !self.open.contains_key(&stream) {
                    self.take_request(stream, fields, script);
                }
                if end {
                    self.take_end(stream);
                }
            }
            Received::Data { stream, bytes, end } => {
                let Some((place, plan)) = self.open.get(&stream) else { return };
                self.log.lock().unwrap().seen[*place].body.extend_from_slice(&bytes);
                if *plan != Plan::Unread {
                    self.wire.give_back(stream, bytes.len(), end);
                }
                if end {
                    self.take_end(stream);
                }
            }
            Received::Reset { stream, code } => {
                self.wire.forget(stream);
                self.held.retain(|held| *held != stream);
                if let Some((place, _)) = self.open.remove(&stream) {
                    self.log.lock().unwrap().seen[place].reset = Some(code);
                }
                self.resets += 1;
                (script.cancelled)(self, self.resets);
            }
            Received::GoAway { .. } | Received::Settings | Received::Other => {}
        }
    }

    fn take_request(&mut self, stream: u32, fields: Fields, script: &Script) {
        let seen = Seen { connection: self.number, stream, fields, ..Seen::default() };
        let place = {
            let mut log = self.log.lock().unwrap();
            log.seen.push(seen.clone());
            log.seen.len() - 1
        };
        let plan = (script.asked)(self, &seen).unwrap_or_else(|| plan_by_path(seen.path()));
        match &plan {
            Plan::Begin => {
                self.wire.head(stream, &[(":status", "200")], false);
                self.wire.body(stream, "begun", false);
            }
            Plan::Body(body) => {
                self.wire.head(stream, &[(":status", "200")], false);
                self.wire.body(stream, body.clone(), true);
            }
            _ => {}
        }
        self.open.insert(stream, (place, plan));
    }

    /// The request is whole.
    fn take_end(&mut self, stream: u32) {
        let Some((place, plan)) = self.open.get(&stream) else { return };
        self.log.lock().unwrap().seen[*place].is_whole = true;
        match plan {
            Plan::Echo => self.echo(stream),
            Plan::Hold => self.held.push(stream),
            _ => {}
        }
    }

    /// Answers a request with what it was.
    pub(crate) fn echo(&mut self, stream: u32) {
        let Some((place, _)) = self.open.get(&stream) else { return };
        let seen = self.log.lock().unwrap().seen[*place].clone();
        if seen.path() == "/go" {
            for held in std::mem::take(&mut self.held) {
                self.echo(held);
            }
        }
        let method = value(&seen.fields, ":method").unwrap_or_default();
        self.wire.head(stream, &[(":status", "200")], false);
        self.wire.body(stream, format!("{method} {} {}", seen.path(), seen.body.len()), true);
    }
}

fn plan_by_path(path: &str) -> Plan {
    match path.split('/').nth(1) {
        Some("hold") => Plan::Hold,
        Some("silence") => Plan::Silence,
        Some("unread") => Plan::Unread,
        Some("begin") => Plan::Begin,
        _ => Plan::Echo,
    }
}
