//! Misbehaving services: one breaks its connections at a chosen point, one sends given bytes, valid or not.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;

use crate::http::{Framing, Head, read_body, read_head};

/// The point at which a connection breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum BreakPoint {
    /// A request has arrived, and none of it is read.
    BeforeReading,
    /// Its head is read.
    AfterHead,
    /// Its body is read.
    AfterBody,
    /// The first half of the response's head is sent.
    WithinHead,
    /// The first half of the response's body is sent.
    WithinBody,
}

impl BreakPoint {
    /// All points, in their order.
    pub const ALL: [Self; 5] = [Self::BeforeReading, Self::AfterHead, Self::AfterBody, Self::WithinHead, Self::WithinBody];
}

/// How the connection breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseKind {
    /// Closed normally (FIN).
    Closed,
    /// Reset (RST), as when a program crashes.
    Reset,
}

/// The running service. It answers `/good` and keeps the connection, answers `/last` and closes; for any other target
/// it breaks the connection.
pub struct FlakyService {
    /// The port it listens on.
    pub port: u16,
    asked: Arc<Mutex<BTreeMap<String, u64>>>,
}

impl FlakyService {
    /// Starts the service on a free port.
    pub fn start(moment: BreakPoint, manner: CloseKind) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("there is a free port");
        let port = listener.local_addr().expect("a bound listener has an address").port();
        let asked = Arc::<Mutex<BTreeMap<String, u64>>>::default();
        let book = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let book = Arc::clone(&book);
                thread::spawn(move || {
                    let send = |target: &str| {
                        *book.lock().expect("nothing panics while it holds the counts").entry(target.to_owned()).or_default() +=
                            1;
                    };
                    let _ = serve(&stream, moment, send);
                    if manner == CloseKind::Reset {
                        let _ = set_socket_linger(&stream, Some(Duration::ZERO));
                    }
                });
            }
        });
        Self { port, asked }
    }

    /// The number of requests for this target.
    pub fn asked(&self, target: &str) -> u64 {
        self.asked.lock().expect("nothing panics while it holds the counts").get(target).copied().unwrap_or(0)
    }
}

/// Starts a service that sends the same bytes on every connection, valid or not, and then closes it. Returns its port.
pub fn scripted(answer: impl Into<Vec<u8>>) -> u16 {
    let answer = answer.into();
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("there is a free port");
    let port = listener.local_addr().expect("a bound listener has an address").port();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream.try_clone().expect("a socket can be held twice"));
            let Ok(Some(head)) = read_head(&mut reader) else { continue };
            let _ = read_body(&mut reader, head.framing(Framing::Absent), |_| {});
            let _ = stream.write_all(&answer);
            let _ = stream.shutdown(Shutdown::Write);
        }
    });
    port
}

/// Serves a connection; returns when it is to break.
fn serve(stream: &TcpStream, moment: BreakPoint, send: impl Fn(&str)) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut peeked = [0; 256];
        let target = loop {
            let length = stream.peek(&mut peeked)?;
            if length == 0 {
                return Ok(());
            }
            let text = String::from_utf8_lossy(&peeked[..length]).into_owned();
            if let [_, target, _, ..] = text.split(' ').collect::<Vec<_>>()[..] {
                break target.to_owned();
            }
        };
        send(&target);
        let is_faithful = target == "/good" || target == "/last";
        let breaks_at = |now: BreakPoint| !is_faithful && moment == now;
        if breaks_at(BreakPoint::BeforeReading) {
            return Ok(());
        }
        let head = read_head(&mut reader)?.unwrap_or_default();
        if breaks_at(BreakPoint::AfterHead) {
            return Ok(());
        }
        read_body(&mut reader, head.framing(Framing::Absent), |_| {})?;
        if breaks_at(BreakPoint::AfterBody) {
            return Ok(());
        }
        answer(stream, &head, breaks_at)?;
        if target != "/good" {
            return Ok(());
        }
    }
}

fn answer(mut stream: &TcpStream, head: &Head, breaks_at: impl Fn(BreakPoint) -> bool) -> io::Result<()> {
    if breaks_at(BreakPoint::WithinHead) {
        return stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Le");
    }
    let body = format!("{} {}", head.word(0), head.word(1));
    let kept = if head.word(1) == "/last" { "Connection: close\r\n" } else { "" };
    let sent = if breaks_at(BreakPoint::WithinBody) { &body[..body.len() / 2] } else { &body };
    stream.write_all(format!("HTTP/1.1 200 OK\r\n{kept}Content-Length: {}\r\n\r\n{sent}", body.len()).as_bytes())
}
