//! A receiver of webhooks that checks each signature, and can be down for a while.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use scenario::reserved_port::ReservedPort;
use serde_json::Value;

/// The key that signs messages.
const KEY: [u8; 32] = [7; 32];

/// A running receiver.
pub(super) struct WebhookReceiver {
    port: ReservedPort,
    messages: Arc<Mutex<Vec<Message>>>,
    secret: tempfile::NamedTempFile,
    running: Option<Running>,
}

/// A message and its `webhook-id`.
struct Message {
    id: String,
    body: Value,
}

struct Running {
    leaves: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl WebhookReceiver {
    /// Starts it on a free port.
    pub(super) fn start() -> Self {
        let mut secret = tempfile::NamedTempFile::new().expect("a temporary file");
        writeln!(secret, "whsec_{}", STANDARD.encode(KEY)).expect("write a secret");
        let mut receiver = Self { port: ReservedPort::reserve(), messages: Arc::default(), secret, running: None };
        receiver.resume();
        receiver
    }

    /// Its entry in a notifications file.
    pub(super) fn channel(&self, name: &str, format: &str) -> String {
        let (port, secret) = (self.port.port, self.secret.path().display());
        format!(
            "{{ name: {name}, webhook: {{ url: \"http://127.0.0.1:{port}/hook\", format: {format}, secret_file: {secret} }} }}"
        )
    }

    /// The same with a limit of messages in an hour.
    pub(super) fn limited_channel(&self, name: &str, per_hour_max: u32) -> String {
        self.channel(name, "json").replacen("webhook:", &format!("per_hour_max: {per_hour_max}, webhook:"), 1)
    }

    /// The bodies of all messages, each once, in the order of their arrival. A control plane that is killed before it has
    /// noted an answer sends the message again with the same id.
    pub(super) fn messages(&self) -> Vec<Value> {
        let messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        messages.iter().map(|message| message.body.clone()).collect()
    }

    /// Stops listening.
    pub(super) fn stop(&mut self) {
        if let Some(Running { leaves, thread }) = self.running.take() {
            leaves.store(true, Ordering::SeqCst);
            // Wakes the thread, which waits for a connection.
            let _ = TcpStream::connect(("127.0.0.1", self.port.port));
            thread.join().expect("every request was signed and whole");
        }
    }

    /// Listens again.
    pub(super) fn resume(&mut self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port.port)).expect("the port is reserved");
        let (leaves, messages) = (Arc::<AtomicBool>::default(), Arc::clone(&self.messages));
        let leaving = Arc::clone(&leaves);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if leaving.load(Ordering::SeqCst) {
                    return;
                }
                let message = answered(stream.expect("a connection"));
                let mut messages = messages.lock().unwrap_or_else(PoisonError::into_inner);
                if messages.iter().all(|earlier| earlier.id != message.id) {
                    messages.push(message);
                }
            }
        });
        self.running = Some(Running { leaves, thread });
    }
}

impl Drop for WebhookReceiver {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.stop();
        }
    }
}

/// Reads one request, checks its signature, and answers it.
fn answered(mut stream: TcpStream) -> Message {
    let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
    let mut head = Vec::new();
    for line in reader.by_ref().lines() {
        let line = line.expect("a line of the head");
        if line.is_empty() {
            break;
        }
        head.push(line);
    }
    assert_eq!(head[0], "POST /hook HTTP/1.1");
    let field = |name: &str| {
        let value = head.iter().filter_map(|line| line.split_once(": ")).find(|(field, _)| field.eq_ignore_ascii_case(name));
        value.map_or_else(|| panic!("no {name} in {head:?}"), |(_, value)| value.to_owned())
    };
    let mut body = vec![0; field("content-length").parse().expect("a length")];
    reader.read_exact(&mut body).expect("the whole body");
    let body = String::from_utf8(body).expect("text");
    let signed = format!("{}.{}.{body}", field("webhook-id"), field("webhook-timestamp"));
    let signature = STANDARD.decode(field("webhook-signature").strip_prefix("v1,").expect("version 1")).expect("base64");
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, &KEY), signed.as_bytes(), &signature).expect("a valid signature");
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nkept\n").expect("an answer");
    Message { id: field("webhook-id"), body: serde_json::from_str(&body).expect("JSON") }
}
