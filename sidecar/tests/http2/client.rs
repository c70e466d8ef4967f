//! A client that sends frames by hand, and a well-behaved one whose responses must stay right beside any attack.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};

use http2::error_code::ErrorCode;
use http2::frame::PREFACE;

use crate::wire::{Fields, Received, Wire, value};

/// What has arrived on one stream.
#[derive(Debug, Default, Clone)]
pub(crate) struct Answer {
    pub(crate) interims: Vec<Fields>,
    pub(crate) head: Option<Fields>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Option<Fields>,
    /// END_STREAM has arrived.
    pub(crate) is_whole: bool,
    /// The code of RST_STREAM.
    pub(crate) reset: Option<u32>,
}

/// A client on one connection.
pub(crate) struct Client {
    pub(crate) wire: Wire,
    pub(crate) answers: BTreeMap<u32, Answer>,
    /// The last stream and the code of GOAWAY.
    pub(crate) go_away: Option<(u32, u32)>,
    pub(crate) is_closed: bool,
    next: u32,
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.field(":status").parse().unwrap_or_default()
    }

    /// The value of a field of the head, or nothing.
    pub(crate) fn field(&self, name: &str) -> &str {
        self.head.as_ref().and_then(|head| value(head, name)).unwrap_or_default()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Nothing more comes.
    pub(crate) fn is_over(&self) -> bool {
        self.is_whole || self.reset.is_some()
    }
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::connect_with(address, &[])
    }

    /// Connects with these settings.
    pub(crate) fn connect_with(address: SocketAddr, settings: &[(u16, u32)]) -> Self {
        let mut client = Self::silent(address);
        client.wire.acknowledges = true;
        assert!(client.wire.send(PREFACE));
        client.wire.settings(settings);
        client
    }

    /// Connects, and sends nothing.
    pub(crate) fn silent(address: SocketAddr) -> Self {
        let mut wire = Wire::new(TcpStream::connect(address).unwrap());
        wire.acknowledges = false;
        Self { wire, answers: BTreeMap::new(), go_away: None, is_closed: false, next: 1 }
    }

    /// The next stream.
    pub(crate) fn open(&mut self) -> u32 {
        let stream = self.next;
        self.next += 2;
        self.answers.insert(stream, Answer::default());
        stream
    }

    /// Sends any head, and returns its stream.
    pub(crate) fn request(&mut self, fields: &[(&str, &str)], end: bool) -> u32 {
        let stream = self.open();
        self.wire.head(stream, fields, end);
        stream
    }

    /// Sends a request without a body.
    pub(crate) fn get(&mut self, path: &str) -> u32 {
        self.request(&head("GET", path), true)
    }

    /// Sends a request with a body, as the windows allow.
    pub(crate) fn post(&mut self, path: &str, body: &[u8]) -> u32 {
        let stream = self.request(&head("POST", path), false);
        self.wire.body(stream, body.to_vec(), true);
        stream
    }

    pub(crate) fn cancel(&mut self, stream: u32) {
        self.wire.reset(stream, ErrorCode::CANCEL);
        self.answers.remove(&stream);
    }

    /// Reads one frame.
    pub(crate) fn read(&mut self) {
        match self.wire.next().unwrap() {
            None => self.is_closed = true,
            Some(Received::Head { stream, fields, end }) => {
                let Some(answer) = self.answers.get_mut(&stream) else { return };
                answer.is_whole |= end;
                if answer.head.is_some() {
                    answer.trailers = Some(fields);
                } else if value(&fields, ":status").is_some_and(|status| status.starts_with('1')) {
                    answer.interims.push(fields);
                } else {
                    answer.head = Some(fields);
                }
            }
            Some(Received::Data { stream, bytes, end }) => {
                self.wire.give_back(stream, bytes.len(), end);
                let Some(answer) = self.answers.get_mut(&stream) else { return };
                answer.body.extend_from_slice(&bytes);
                answer.is_whole |= end;
            }
            Some(Received::Reset { stream, code }) => {
                self.wire.forget(stream);
                if let Some(answer) = self.answers.get_mut(&stream) {
                    answer.reset = answer.reset.or(Some(code));
                }
            }
            Some(Received::GoAway { last, code }) => self.go_away = Some((last, code)),
            Some(Received::Settings | Received::Other) => {}
        }
    }

    /// Reads until it is so.
    #[track_caller]
    pub(crate) fn read_until(&mut self, is_so: impl Fn(&Self) -> bool) {
        while !is_so(self) {
            assert!(!self.is_closed, "the connection has ended: {:?} {:?}", self.go_away, self.answers);
            self.read();
        }
    }

    /// Reads until the response of a stream is over, and returns it.
    #[track_caller]
    pub(crate) fn answer(&mut self, stream: u32) -> Answer {
        self.read_until(|client| client.answers[&stream].is_over());
        self.answers[&stream].clone()
    }

    /// Sends a request without a body, and returns the response.
    #[track_caller]
    pub(crate) fn ask(&mut self, path: &str) -> Answer {
        let stream = self.get(path);
        self.answer(stream)
    }

    /// Reads until the connection has ended.
    pub(crate) fn read_to_end(&mut self) {
        while !self.is_closed {
            self.read();
        }
    }
}

/// The head of a request.
pub(crate) fn head<'a>(method: &'a str, path: &'a str) -> [(&'a str, &'a str); 4] {
    [(":method", method), (":scheme", "http"), (":authority", "t.test"), (":path", path)]
}

/// The same with other or more fields.
pub(crate) fn head_with<'a>(changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut fields = head("GET", "/attack").to_vec();
    for (name, value) in changes {
        match fields.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = value,
            None => fields.push((name, value)),
        }
    }
    fields
}

/// A client with a call under way, which an attack on another connection must not disturb.
pub(crate) struct Innocent {
    client: Client,
    held: u32,
}

impl Innocent {
    /// Begins a call that the service holds until `finish`.
    pub(crate) fn begin(address: SocketAddr) -> Self {
        let mut client = Client::connect(address);
        let held = client.get("/hold/innocent");
        let mut innocent = Self { client, held };
        innocent.expect_served();
        innocent
    }

    /// Another call is answered, with and without a body.
    #[track_caller]
    pub(crate) fn expect_served(&mut self) {
        let answer = self.client.ask("/innocent");
        assert_eq!((answer.status(), answer.text()), (200, "GET /innocent 0".to_owned()), "{answer:?}");
        let stream = self.client.post("/innocent", &[b'x'; 1000]);
        let answer = self.client.answer(stream);
        assert_eq!((answer.status(), answer.text()), (200, "POST /innocent 1000".to_owned()), "{answer:?}");
    }

    /// All calls are answered as if nothing else had happened.
    #[track_caller]
    pub(crate) fn finish(mut self) {
        self.expect_served();
        assert!(self.client.ask("/go").is_whole);
        let answer = self.client.answer(self.held);
        assert_eq!((answer.status(), answer.text()), (200, "GET /hold/innocent 0".to_owned()), "{answer:?}");
        assert_eq!(self.client.go_away, None);
    }
}
