//! A service that sends the same bytes on every connection, valid or not.

use std::io::{BufReader, Write};
use std::net::{Shutdown, TcpListener};
use std::thread;

use crate::http::{Framing, read_body, read_head};

/// Starts it on a free port, and returns the port. It closes each connection after its response.
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
