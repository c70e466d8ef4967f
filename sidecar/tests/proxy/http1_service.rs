//! A service that speaks only HTTP/1.1: it answers each request by its path, and remembers the heads that it has read.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::support::{PATIENCE, listener, read_head};

/// What the service does after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    Stay,
    Close,
}

/// What the service sends for a path with its query and a body.
type Answer = dyn Fn(&str, &[u8]) -> (Vec<u8>, Then) + Send + Sync;

/// The service. It refuses the preface of HTTP/2 as any other would.
pub(crate) struct Http1Service {
    pub(crate) address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
}

impl Http1Service {
    pub(crate) fn start(answer: impl Fn(&str, &[u8]) -> (Vec<u8>, Then) + Send + Sync + 'static) -> Self {
        let (listener, address) = listener();
        let (heads, connections) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<AtomicUsize>::default());
        let (shared, counted, answer) = (Arc::clone(&heads), Arc::clone(&connections), Arc::new(answer));
        // It ends with the process: a blocking accept cannot be interrupted.
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                counted.fetch_add(1, Ordering::SeqCst);
                let (heads, answer) = (Arc::clone(&shared), Arc::clone(&answer));
                std::thread::spawn(move || serve(stream, &heads, &*answer));
            }
        });
        Self { address, heads, connections }
    }

    /// The last head that it has read.
    pub(crate) fn last(&self) -> String {
        self.heads.lock().unwrap().last().cloned().unwrap_or_default()
    }

    /// The number of connections accepted.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

fn serve(mut stream: TcpStream, heads: &Mutex<Vec<String>>, answer: &Answer) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    loop {
        let head = String::from_utf8(read_head(&mut stream)).unwrap();
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        if path.is_empty() {
            return;
        }
        if path == "*" {
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").unwrap();
            return;
        }
        let body = read_body(&mut stream, &head.to_lowercase());
        heads.lock().unwrap().push(head);
        let (bytes, then) = answer(&path, &body);
        stream.write_all(&bytes).unwrap();
        if then == Then::Close {
            return;
        }
    }
}

fn read_body(stream: &mut TcpStream, head: &str) -> Vec<u8> {
    let mut body = Vec::new();
    if let Some(length) = head.split("content-length: ").nth(1).and_then(|rest| rest.split('\r').next()?.parse().ok()) {
        body.resize(length, 0);
        stream.read_exact(&mut body).unwrap();
    } else if head.contains("transfer-encoding: chunked") {
        while !body.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            body.push(byte[0]);
        }
    }
    body
}
