//! A blocking HTTP/1.1 client that sends the given bytes unchanged and reads exactly one response.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, SocketAddrV4, TcpStream};
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use rustix::net::{AddressFamily, SocketType, bind, connect, socket};

use crate::body::Check;
use crate::http::{Framing, Head, read_body, read_head};

/// The timeout of one read or write.
const PATIENCE: Duration = Duration::from_secs(30);

/// The read buffer, sized for long bodies.
const BUFFER_BYTES: usize = 64 * 1024;

/// A TCP connection with hand-written HTTP.
pub struct Client {
    reader: BufReader<TcpStream>,
}

/// A complete response.
#[derive(Debug, Clone, Default)]
pub struct Response {
    /// The final head.
    pub head: Head,
    /// The interim heads (1xx) that came before it.
    pub interim: Vec<Head>,
    /// The body.
    pub body: Vec<u8>,
    /// The trailers.
    pub trailers: Vec<String>,
}

impl Response {
    /// The status.
    pub fn status(&self) -> u16 {
        self.head.status()
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Response {
    /// Checks that this is the response of a 503 rule: status, `Retry-After`, and the rule's id.
    #[track_caller]
    pub fn expect_blocked_by(&self, rule: &str) {
        assert_eq!(self.status(), 503, "{self:?}");
        assert_eq!(self.header("x-sitio-rule"), Some(rule), "{self:?}");
        let seconds = self.header("retry-after").and_then(|value| value.parse::<u64>().ok());
        assert!(seconds.is_some_and(|seconds| seconds <= 3600), "{self:?}");
    }
}

impl Client {
    /// Connects to a port of this machine.
    #[track_caller]
    pub fn connect(port: u16) -> Self {
        Self::try_connect(port).unwrap_or_else(|error| panic!("connect to port {port}: {error}"))
    }

    /// Connects, or returns the error.
    pub fn try_connect(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&SocketAddr::from(([127, 0, 0, 1], port)), PATIENCE)?;
        Self::over(stream)
    }

    /// Connects to a local port from this source address; all of 127.0.0.0/8 is local.
    #[track_caller]
    pub fn connect_from(address: Ipv4Addr, port: u16) -> Self {
        let connected = || -> io::Result<Self> {
            let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
            bind(&socket, &SocketAddrV4::new(address, 0))?;
            connect(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))?;
            Self::over(TcpStream::from(socket))
        };
        connected().unwrap_or_else(|error| panic!("connect to port {port} from {address}: {error}"))
    }

    fn over(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { reader: BufReader::with_capacity(BUFFER_BYTES, stream) })
    }

    /// The same connection with a small read buffer, for tests with thousands of connections.
    #[must_use]
    pub fn with_small_buffer(self) -> Self {
        Self { reader: BufReader::with_capacity(512, self.reader.into_inner()) }
    }

    /// Sends bytes.
    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).expect("the peer takes what is sent");
    }

    /// Sends bytes, or returns the error: a peer that has answered and closed may refuse them.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.reader.get_mut().write_all(bytes.as_ref())
    }

    /// The stream, to write a long body.
    pub fn writer(&mut self) -> &mut TcpStream {
        self.reader.get_mut()
    }

    /// Shuts down the sending side of the connection.
    pub fn finish_sending(&self) {
        let _ = self.reader.get_ref().shutdown(Shutdown::Write);
    }

    /// Closes with a TCP reset, as when a program crashes, even during an exchange.
    pub fn abort(self) {
        set_socket_linger(self.reader.get_ref(), Some(Duration::ZERO)).expect("the linger time of an open socket can be set");
    }

    /// Sends a GET and reads the response.
    #[track_caller]
    pub fn get(&mut self, target: &str) -> Response {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: shop\r\n\r\n"));
        self.response("GET")
    }

    /// Reads the response to a request of this method.
    #[track_caller]
    pub fn response(&mut self, method: &str) -> Response {
        self.try_response(method).expect("a complete response")
    }

    /// Reads the response, or returns the error.
    pub fn try_response(&mut self, method: &str) -> io::Result<Response> {
        let mut response = Response::default();
        (response.interim, response.head) = self.heads()?;
        let framing = response_framing(&response.head, method);
        response.trailers = read_body(&mut self.reader, framing, |bytes| response.body.extend_from_slice(bytes))?;
        Ok(response)
    }

    /// Reads the response and compares its body with the pattern, without keeping it.
    #[track_caller]
    pub fn checked_response(&mut self, method: &str) -> (Head, Check, Vec<String>) {
        let (_, head) = self.heads().expect("a response head");
        let mut check = Check::default();
        let trailers = read_body(&mut self.reader, response_framing(&head, method), |bytes| check.take(bytes));
        (head, check, trailers.expect("a complete body"))
    }

    /// Reads the next head, interim or final, and nothing after it.
    #[track_caller]
    pub fn head(&mut self) -> Head {
        read_head(&mut self.reader).expect("a head arrives").expect("the connection is open")
    }

    /// Reads exactly this number of bytes, of any protocol.
    #[track_caller]
    pub fn exactly(&mut self, bytes: usize) -> Vec<u8> {
        let mut read = vec![0; bytes];
        self.reader.read_exact(&mut read).expect("so many bytes arrive");
        read
    }

    /// Reads the bytes that have arrived; waits if there are none.
    #[track_caller]
    pub fn some(&mut self) -> Vec<u8> {
        let arrived = self.reader.fill_buf().expect("the peer says something").to_vec();
        self.reader.consume(arrived.len());
        arrived
    }

    /// Reads until the end of the connection; a reset counts as the end.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        match self.reader.read_to_end(&mut rest) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => panic!("the connection stays open"),
            _ => rest,
        }
    }

    fn heads(&mut self) -> io::Result<(Vec<Head>, Head)> {
        let mut interim = Vec::new();
        loop {
            let head = read_head(&mut self.reader)?.ok_or(io::ErrorKind::UnexpectedEof)?;
            match head.status() {
                100 | 102..200 => interim.push(head),
                _ => return Ok((interim, head)),
            }
        }
    }
}

/// The framing of a response's body (RFC 9112, section 6.3).
fn response_framing(head: &Head, method: &str) -> Framing {
    match head.status() {
        101 | 204 | 304 => Framing::Absent,
        _ if method == "HEAD" => Framing::Absent,
        _ => head.framing(Framing::Close),
    }
}

/// Sends one GET on a new connection.
#[track_caller]
pub fn get(port: u16, target: &str) -> Response {
    Client::connect(port).get(target)
}
