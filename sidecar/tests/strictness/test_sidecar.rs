//! The test setup: a sidecar between clients that send any bytes and a strict service that records everything.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use sidecar::exchange::options::ProxyOptions;
use sidecar::timeouts::Timeouts;
use sidecar::worker::Workers;

use crate::reader::{self, Broken, End, Message, Read};
use crate::service::{Memory, Then, serve};

/// Only ends a test that hangs; nothing here takes long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A sidecar in front of a service, with one worker, so that all its connections share one pool.
pub(crate) struct TestSidecar {
    address: SocketAddr,
    memory: Arc<Mutex<Memory>>,
    _workers: Workers,
}

/// All that a client got: the bytes, and whether they ended properly.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) bytes: Vec<u8>,
    pub(crate) end: std::io::Result<()>,
}

impl TestSidecar {
    /// Starts both.
    pub(crate) async fn open() -> Self {
        let service = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let target = service.local_addr().unwrap();
        let memory = Arc::new(Mutex::new(Memory::default()));
        let shared = Arc::clone(&memory);
        // It ends with the process: a blocking accept cannot be interrupted.
        std::thread::spawn(move || {
            while let Ok((stream, _)) = service.accept() {
                let memory = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream, &memory));
            }
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        // The clients read to the end after they have closed their sending half.
        let timeouts = Timeouts { abandon: None, ..Timeouts::default() };
        let workers = Workers::start(1, listener, ProxyOptions { timeouts, ..ProxyOptions::new(target) }).unwrap();
        workers.open().await;
        let sidecar = Self { address, memory, _workers: workers };
        // From now on the sidecar knows that the service speaks HTTP, and forwards nothing else to it.
        sidecar.expect_unaffected("the first");
        sidecar
    }

    /// A client's connection.
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Sends bytes, closes the sending half, and reads to the end.
    pub(crate) fn send(&self, bytes: &[u8]) -> Got {
        self.send_in_pieces(&[bytes])
    }

    /// The same, in pieces.
    pub(crate) fn send_in_pieces(&self, pieces: &[&[u8]]) -> Got {
        let mut stream = self.connect();
        for piece in pieces {
            // The sidecar may have closed already, because it has seen enough.
            if stream.write_all(piece).is_err() {
                break;
            }
        }
        let _ = stream.shutdown(Shutdown::Write);
        let mut bytes = Vec::new();
        let end = stream.read_to_end(&mut bytes).map(drop);
        Got { bytes, end }
    }

    /// A well-behaved client gets its own response, and so does the next.
    pub(crate) fn expect_unaffected(&self, case: &str) {
        for name in ["first", "second"] {
            let got =
                self.send(format!("GET /innocent/{name} HTTP/1.1\r\nHost: innocent\r\nConnection: close\r\n\r\n").as_bytes());
            let answers = answers(&got, &["GET"]).unwrap_or_else(|broken| panic!("{case}: {broken}: {got:?}"));
            let [answer] = &answers[..] else { panic!("{case}: {got:?}") };
            assert_eq!(answer.body, format!("GET /innocent/{name} ").as_bytes(), "{case}: {answer:?}");
        }
        let mut memory = self.memory.lock().unwrap();
        let innocent = memory.requests.iter().filter(|request| request.second().starts_with("/innocent/")).count();
        assert_eq!(innocent, 2, "{case}: {:?}", memory.requests);
        memory.requests.retain(|request| !request.second().starts_with("/innocent/"));
    }

    /// The requests that the service has read since the last call; it must have read nothing else.
    pub(crate) fn seen(&self, case: &str) -> Vec<Message> {
        let mut memory = self.memory.lock().unwrap();
        assert_eq!(memory.broken, Vec::<String>::new(), "{case}: the service could not read what it was sent");
        std::mem::take(&mut memory.requests)
    }

    /// The service answers the next request for `/script` with these pieces.
    pub(crate) fn script(&self, pieces: &[&str], then: Then) {
        let pieces: Vec<&[u8]> = pieces.iter().map(|piece| piece.as_bytes()).collect();
        self.script_bytes(&pieces, then);
    }

    /// The same with any bytes.
    pub(crate) fn script_bytes(&self, pieces: &[&[u8]], then: Then) {
        let mut memory = self.memory.lock().unwrap();
        memory.script = pieces.iter().map(|piece| piece.to_vec()).collect();
        memory.cue = None;
        memory.scripted = false;
        memory.then = then;
    }

    /// The same, but each piece waits for a signal.
    pub(crate) fn script_by_cue(&self, pieces: &[&str], then: Then) -> mpsc::Sender<()> {
        self.script(pieces, then);
        let (sender, receiver) = mpsc::channel();
        self.memory.lock().unwrap().cue = Some(receiver);
        sender
    }

    /// Waits until the whole script was sent.
    pub(crate) fn wait_until_scripted(&self) {
        self.wait_until("the script is said", |memory| memory.scripted);
    }

    /// The service answers a request for `/early` as soon as it has its head, and then reads no more of it.
    pub(crate) fn answer_early(&self, answer: &str) {
        self.memory.lock().unwrap().early = Some(answer.to_owned());
    }

    /// Connections to the service that have ended.
    pub(crate) fn ended(&self) -> usize {
        self.memory.lock().unwrap().ended
    }

    /// Waits until that many have.
    pub(crate) fn wait_until_ended(&self, connections: usize) {
        self.wait_until("the connection is over", |memory| memory.ended >= connections);
    }

    fn wait_until(&self, what: &str, is_so: impl Fn(&Memory) -> bool) {
        let deadline = std::time::Instant::now() + PATIENCE;
        while !is_so(&self.memory.lock().unwrap()) {
            assert!(std::time::Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
            std::thread::yield_now();
        }
    }

    /// Waits until a request has broken off, and resets the count.
    pub(crate) fn wait_until_cut(&self) {
        self.wait_until("a request has broken off", |memory| memory.cut > 0);
        self.memory.lock().unwrap().cut = 0;
    }
}

/// Reads what a client got as responses to requests of these methods; interim responses are left out.
pub(crate) fn answers(got: &Got, methods: &[&str]) -> Result<Vec<Message>, Broken> {
    let (mut answers, mut at) = (Vec::new(), 0);
    let mut methods = methods.iter();
    let mut method = methods.next().copied().unwrap_or("GET");
    while at < got.bytes.len() {
        match reader::answer(&got.bytes[at..], method, End::Closed)? {
            Read::Partial => return Err(format!("an answer broke off behind {answers:?}")),
            Read::Whole(answer, length) => {
                at += length;
                if !answer.second().starts_with('1') {
                    method = methods.next().copied().unwrap_or("GET");
                    answers.push(*answer);
                }
            }
        }
    }
    match &got.end {
        Ok(()) => Ok(answers),
        Err(error) => Err(format!("{error} behind {answers:?}")),
    }
}
