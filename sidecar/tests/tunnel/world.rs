//! Helpers of the HTTP/1 tests: a scripted service, workers in front of it, a client that sends bytes, and the counts.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use mesh::report::EndpointReport;
use sidecar::decorator::not_found_page::NotFoundPage;
use sidecar::exchange::options::TunnelOptions;
use sidecar::worker::Workers;

/// Only ends a test that hangs; nothing here takes long.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// A service that answers each connection with a script, and returns what it received.
pub(super) fn service(
    connections: usize,
    script: impl Fn(&mut TcpStream) -> Vec<u8> + Send + 'static,
) -> (SocketAddr, JoinHandle<Vec<Vec<u8>>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let serve = move || {
        let connection = |_| {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            script(&mut stream)
        };
        (0..connections).map(connection).collect()
    };
    (address, std::thread::spawn(serve))
}

/// Reads a head, and returns it.
pub(super) fn read_head(stream: &mut TcpStream) -> Vec<u8> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).unwrap() == 0 {
            break;
        }
        head.push(byte[0]);
    }
    head
}

pub(super) async fn sidecar(target: SocketAddr) -> (Workers, SocketAddr) {
    sidecar_with(TunnelOptions { decorators: vec![Arc::new(NotFoundPage::built_in())], ..TunnelOptions::new(target) }).await
}

pub(super) async fn sidecar_with(options: TunnelOptions) -> (Workers, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let workers = Workers::start(2, listener, options).unwrap();
    workers.open().await;
    (workers, address)
}

/// Sends bytes in pieces, closes the sending half, and returns everything that comes back.
pub(super) async fn send(address: SocketAddr, pieces: Vec<Vec<u8>>) -> String {
    let talk = move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        for piece in pieces {
            stream.write_all(&piece).unwrap();
            std::thread::yield_now();
        }
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    };
    tokio::task::spawn_blocking(talk).await.unwrap()
}

pub(super) async fn ask(address: SocketAddr, request: &str) -> String {
    send(address, vec![request.as_bytes().to_vec()]).await
}

/// Collects until `enough`, or panics: exchanges are counted just after their last byte.
pub(super) async fn counted(workers: &Workers, enough: impl Fn(&[EndpointReport]) -> bool) -> Vec<EndpointReport> {
    let deadline = std::time::Instant::now() + PATIENCE;
    let mut all: Vec<EndpointReport> = Vec::new();
    while !enough(&all) {
        assert!(std::time::Instant::now() < deadline, "only {all:?} was counted");
        all.extend(workers.collect().await);
        tokio::task::yield_now().await;
    }
    all
}
