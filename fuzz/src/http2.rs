//! Fuzz checks of HTTP/2 for any bytes, from a client and from a service.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

use http2::connection::Connection;
use http2::connection::handler::{Handler, SectionPart, Writable};
use http2::error_code::{ErrorCode, StreamError};
use http2::frame::{EndStream, StreamId};
use http2::hpack::Field;
use http2::limits::Limits;
use http2::message::field_section::FieldSection;
use hyper::Request;
use sidecar::exchange::options::ProxyOptions;
use sidecar::worker::Workers;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

/// The preface of every HTTP/2 connection.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Settings that change nothing; without them as the first frame the connection is refused.
const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";

/// Only ends an input that hangs; nothing here takes long.
const PATIENCE: Duration = Duration::from_secs(20);

/// Bytes of a frame's payload; no peer has allowed more (RFC 9113, section 4.2).
const FRAME_BYTES_MAX: usize = 16 * 1024;

/// A sidecar in front of a service that answers each request with its path.
struct TestSidecar {
    runtime: Runtime,
    address: SocketAddr,
    workers: Workers,
}

static HOUSE: LazyLock<TestSidecar> = LazyLock::new(TestSidecar::open);

impl TestSidecar {
    fn open() -> Self {
        let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let service = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let target = service.local_addr().expect("its address");
        // It ends with the process.
        let serving = runtime();
        std::thread::spawn(move || serving.block_on(serve(service)));
        let runtime = runtime();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("its address");
        let workers = Workers::start(1, listener, ProxyOptions::new(target)).expect("a worker");
        runtime.block_on(workers.open());
        Self { runtime, address, workers }
    }

    /// Sends all bytes, and reads the response to the end.
    fn send(&self, bytes: &[u8]) -> (Vec<u8>, std::io::Result<()>) {
        let mut stream = TcpStream::connect(self.address).expect("the sidecar listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
        // The connection may be closed already, because enough was seen.
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(Shutdown::Write);
        let mut got = Vec::new();
        let end = stream.read_to_end(&mut got).map(drop);
        (got, end)
    }

    /// A well-behaved client gets its own response.
    fn expect_unaffected(&self) {
        static ASKED: AtomicU64 = AtomicU64::new(0);
        let path = format!("/innocent/{}", ASKED.fetch_add(1, Ordering::Relaxed));
        let answer = self.runtime.block_on(async {
            let asked = tokio::time::timeout(PATIENCE, ask(self.address, &path)).await;
            asked.expect("an answer in time").expect("an answer")
        });
        assert_eq!(answer, path.as_bytes());
    }

    /// Waits until nothing is in flight and no connection is open.
    fn wait_until_idle(&self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let reports = self.runtime.block_on(self.workers.collect());
            // An unchanged endpoint is not reported, so its last reported number counts.
            let under_way = reports.iter().any(|report| report.in_flight > 0);
            if self.workers.connections() == 0 && !under_way {
                return;
            }
            assert!(Instant::now() < deadline, "{} connections are held: {reports:?}", self.workers.connections());
            std::thread::yield_now();
        }
    }
}

/// Any bytes behind the preface. If the first byte is odd they are sent unchanged, and otherwise as frames with correct
/// lengths, so that more than the first frame's head is tested.
pub(crate) fn http2(input: &[u8]) {
    let Some((first, rest)) = input.split_first() else { return };
    let said = if first % 2 == 1 { [PREFACE, rest].concat() } else { [PREFACE, SETTINGS, &frames(rest)].concat() };
    let sidecar = &*HOUSE;
    let (got, end) = sidecar.send(&said);
    assert!(!matches!(&end, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock), "it is never let go: {got:?}");
    let whole = read_frames(&got);
    assert!(whole || end.is_err(), "a frame breaks off: {got:?}");
    sidecar.wait_until_idle();
    sidecar.expect_unaffected();
}

/// Builds frames from: type, flags, stream, length, payload; each is one byte except the payload.
fn frames(mut rest: &[u8]) -> Vec<u8> {
    let mut frames = Vec::new();
    while let [kind, flags, stream, length, after @ ..] = rest {
        let (payload, next) = after.split_at(usize::from(*length).min(after.len()));
        frames.extend_from_slice(&[0, 0, payload.len() as u8, *kind, *flags, 0, 0, 0, *stream]);
        frames.extend_from_slice(payload);
        rest = next;
    }
    frames
}

/// Whether the last frame is complete. None may be longer than allowed.
fn read_frames(mut got: &[u8]) -> bool {
    while let [a, b, c, _, _, _, _, _, _, rest @ ..] = got {
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        assert!(length <= FRAME_BYTES_MAX, "a frame of {length} bytes");
        match rest.get(length..) {
            Some(next) => got = next,
            None => return false,
        }
    }
    got.is_empty()
}

async fn ask(address: SocketAddr, path: &str) -> Result<Vec<u8>, h2::Error> {
    let stream = tokio::net::TcpStream::connect(address).await.expect("the sidecar listens");
    let (mut requests, running) = h2::client::handshake(stream).await?;
    let answered = async {
        let request = Request::get(format!("http://shop{path}")).body(()).expect("a request");
        let (response, _) = requests.send_request(request, true)?;
        let mut body = response.await?.into_body();
        let mut answer = Vec::new();
        while let Some(data) = body.data().await {
            answer.extend_from_slice(&data?);
        }
        Ok(answer)
    };
    tokio::select! {
        answer = answered => answer,
        ended = running => Err(ended.err().unwrap_or_else(|| h2::Reason::CANCEL.into())),
    }
}

/// The bytes with which the service answers the next request for `ATTACK`.
static ATTACK_BYTES: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// The path whose request the service answers with the bytes above.
const ATTACK: &str = "/attack";

/// Any bytes as a service's answer. If the first byte is odd they are sent unchanged, and otherwise as frames with correct
/// lengths. The client gets an end of its exchange, and another client its own response.
pub(crate) fn http2_service(input: &[u8]) {
    let Some((first, rest)) = input.split_first() else { return };
    *ATTACK_BYTES.lock().expect("no other input is checked") = if first % 2 == 1 { rest.to_vec() } else { frames(rest) };
    let sidecar = &*HOUSE;
    sidecar.runtime.block_on(async {
        let asked = tokio::time::timeout(PATIENCE, ask(sidecar.address, ATTACK)).await;
        // Whatever the client gets: it does not wait for ever.
        let _ = asked.expect("the exchange ends");
    });
    sidecar.wait_until_idle();
    sidecar.expect_unaffected();
}

/// Serves connections: each request gets its path as soon as its head has arrived, and an attack the given bytes.
async fn serve(listener: TcpListener) {
    listener.set_nonblocking(true).expect("a socket of the runtime");
    let listener = tokio::net::TcpListener::from_std(listener).expect("a socket of the runtime");
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        connections.spawn(serve_one(stream));
    }
}

async fn serve_one(mut stream: tokio::net::TcpStream) {
    let mut connection = Connection::server(Limits::default());
    let (mut requests, mut input) = (Requests { attack: None }, Vec::new());
    loop {
        while !connection.output().is_empty() {
            let Ok(written) = stream.write(connection.output()).await else { return };
            connection.advance_output(written);
        }
        if let Some(attacked) = requests.attack {
            let mut said = ATTACK_BYTES.lock().expect("no other input is checked").clone();
            // Frames on stream 1 are meant for the stream of the request.
            retarget(&mut said, attacked);
            let _ = stream.write_all(&said).await;
            return;
        }
        match stream.read_buf(&mut input).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let Ok(read) = connection.receive(&input, &mut requests) else { return };
        input.drain(..read);
    }
}

/// Replaces stream 1 in the headers of frames, as far as there are whole frames.
fn retarget(said: &mut [u8], stream: StreamId) {
    let mut at = 0;
    while let Some(header) = said.get_mut(at..at + 9) {
        if header[5..9] == [0, 0, 0, 1] {
            header[5..9].copy_from_slice(&stream.0.to_be_bytes());
        }
        at += 9 + u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize;
    }
}

/// The requests of one connection.
struct Requests {
    attack: Option<StreamId>,
}

impl Handler for Requests {
    fn head(&mut self, connection: &mut Connection, stream: StreamId, head: &FieldSection, _: EndStream) {
        let path = head.path().unwrap_or_default();
        if path == ATTACK.as_bytes() {
            self.attack = Some(stream);
        } else if connection.respond(stream, [Field::new(":status", "200")], EndStream::No).is_ok() {
            let _ = connection.send_data(stream, path, EndStream::Yes);
        }
    }

    fn data(&mut self, connection: &mut Connection, stream: StreamId, bytes: &[u8], _: EndStream) {
        connection.release(stream, bytes.len());
    }

    fn trailers(&mut self, _: &mut Connection, _: StreamId, _: &FieldSection) {}

    fn too_large(&mut self, connection: &mut Connection, stream: StreamId, _: SectionPart) {
        connection.reset(stream, ErrorCode::CANCEL);
    }

    fn failed(&mut self, _: &mut Connection, _: StreamId, _: StreamError) {}

    fn reset(&mut self, _: &mut Connection, _: StreamId, _: ErrorCode) {}

    fn unprocessed(&mut self, _: &mut Connection, _: StreamId) {}

    fn writable(&mut self, _: &mut Connection, _: Writable) {}
}
