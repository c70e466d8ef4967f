//! One address for several servers, as a Service of Kubernetes has: each connection goes to one that accepts it.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// The address. Its threads end with the process of the test, and its connections with those of the servers.
pub struct ServiceAddress {
    /// The port.
    pub port: u16,
}

impl ServiceAddress {
    /// Distributes connections over the servers on these ports of this machine, in turn.
    pub fn before(ports: Vec<u16>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let next = Arc::new(AtomicUsize::new(0));
        thread::spawn(move || {
            for client in listener.incoming().map_while(io::Result::ok) {
                let (ports, next) = (ports.clone(), Arc::clone(&next));
                thread::spawn(move || {
                    let first = next.fetch_add(1, Ordering::Relaxed);
                    let server = (0..ports.len()).find_map(|at| {
                        let port = ports[(first + at) % ports.len()];
                        TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).ok()
                    });
                    if let Some(server) = server {
                        connect(&client, &server);
                    }
                });
            }
        });
        Self { port }
    }
}

/// Copies in both directions until both have ended.
fn connect(client: &TcpStream, server: &TcpStream) {
    thread::scope(|scope| {
        scope.spawn(|| copy(client, server));
        copy(server, client);
    });
}

fn copy(mut from: &TcpStream, mut into: &TcpStream) {
    let _ = io::copy(&mut from, &mut into);
    // The other direction ends by itself, unless this one broke.
    let _ = into.shutdown(Shutdown::Write);
}
