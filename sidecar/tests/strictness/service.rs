//! A service that reads strictly, records everything, and answers by a script.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Mutex, mpsc};

use crate::reader::{self, Broken, Message, Read};
use crate::test_sidecar::PATIENCE;

/// What the service has seen.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) requests: Vec<Message>,
    /// What it could not read as a request, with the reason.
    pub(crate) broken: Vec<Broken>,
    /// Connections on which the last request broke off.
    pub(crate) cut: usize,
    /// Connections that have ended.
    pub(crate) ended: usize,
    /// The response to the next request for `/script`, in pieces; `then` says what follows it.
    pub(crate) script: Vec<Vec<u8>>,
    /// Whether the script was sent to its end.
    pub(crate) scripted: bool,
    /// The response to the head of a request for `/early`, sent before the body is read; then it closes.
    pub(crate) early: Option<String>,
    /// Receives a signal for each next piece; without it pieces follow at once.
    pub(crate) cue: Option<mpsc::Receiver<()>>,
    pub(crate) then: Then,
}

/// What the service does after a script.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Then {
    /// It reads the next request.
    #[default]
    Stay,
    /// It closes the connection.
    Close,
}

/// Answers each request with its method, target and content, as long as they are well-formed.
pub(crate) fn serve(mut stream: TcpStream, memory: &Mutex<Memory>) {
    let (mut bytes, mut room) = (Vec::new(), [0; 16 * 1024]);
    let _ = stream.set_nodelay(true);
    'connection: loop {
        match reader::request(&bytes) {
            Err(broken) => {
                memory.lock().unwrap().broken.push(broken);
                break;
            }
            Ok(Read::Whole(request, length)) => {
                bytes.drain(..length);
                if !respond(&mut stream, &request, memory) {
                    break 'connection;
                }
            }
            Ok(Read::Partial) if says_early(&mut stream, &bytes, memory) => break,
            Ok(Read::Partial) => match stream.read(&mut room) {
                Ok(0) | Err(_) => break,
                Ok(read) => bytes.extend_from_slice(&room[..read]),
            },
        }
    }
    let mut memory = memory.lock().unwrap();
    memory.cut += usize::from(!bytes.is_empty());
    memory.ended += 1;
}

/// Answers the head of a request for `/early`, if it is there.
fn says_early(stream: &mut TcpStream, bytes: &[u8], memory: &Mutex<Memory>) -> bool {
    let is_early = bytes.starts_with(b"POST /early ") && bytes.ends_with(b"\r\n\r\n");
    let Some(answer) = memory.lock().unwrap().early.take_if(|_| is_early) else { return false };
    let _ = stream.write_all(answer.as_bytes());
    // It waits for the tunnel to close: a reset could overtake the response.
    let _ = stream.read(&mut [0; 64]);
    true
}

/// Sends the response; returns whether the connection stays open.
fn respond(stream: &mut TcpStream, request: &Message, memory: &Mutex<Memory>) -> bool {
    let is_scripted = request.second() == "/script";
    let (script, cue, then) = {
        let mut memory = memory.lock().unwrap();
        memory.requests.push(request.clone());
        if is_scripted {
            (std::mem::take(&mut memory.script), memory.cue.take(), memory.then)
        } else {
            (vec![echo(request)], None, Then::Stay)
        }
    };
    for piece in script {
        let reported = cue.as_ref().is_none_or(|cue| cue.recv_timeout(PATIENCE).is_ok());
        if !reported || stream.write_all(&piece).is_err() {
            return false;
        }
    }
    // Only by a script: an echo's thread may reach this line when the next script is already set.
    if is_scripted {
        memory.lock().unwrap().scripted = true;
    }
    then == Then::Stay
}

/// The method, the target and the content.
fn echo(request: &Message) -> Vec<u8> {
    let line = format!("{} {} ", request.first(), request.second());
    let (length, body) = match request.first() {
        "HEAD" => (line.len(), Vec::new()),
        _ => (line.len() + request.body.len(), [line.as_bytes(), &request.body].concat()),
    };
    [format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").as_bytes(), &body].concat()
}
