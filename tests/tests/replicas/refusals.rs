//! Tests what a replica refuses, and that its message says what to do.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use scenario::control_plane::bare;
use scenario::eventually::SOON;
use scenario::nats::{JETSTREAM, NatsCluster};
use scenario::process::Process;
use scenario::replicas::Replicas;

/// What a control plane with these settings says before it ends with an error.
fn refusal(settings: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut command = bare();
    command.env("SITIO_DATA_DIR", folder.path()).env("SITIO_REPLICA_ADDR", "127.0.0.1:0");
    command.envs(settings.iter().copied());
    let mut process = Process::start(command);
    assert_ne!(process.ended(2 * SOON).code(), Some(0));
    process.stderr().join("\n")
}

#[test]
fn a_nats_without_jetstream_is_refused() {
    let nats = NatsCluster::with_config(1, "");
    let said = refusal(&[("SITIO_NATS_URL", &nats.urls()), ("SITIO_NATS_COPIES", "1")]);
    assert!(said.contains("JetStream is off on this NATS"), "{said}");
}

#[test]
fn a_wrong_password_is_refused_and_not_logged() {
    let access = format!("{JETSTREAM}\nauthorization {{ user: sitio, password: right-word }}");
    let nats = NatsCluster::with_config(1, &access);
    let said = refusal(&[("SITIO_NATS_URL", &nats.urls_with("nats://sitio:wrong-word@")), ("SITIO_NATS_COPIES", "1")]);
    assert!(said.contains("refuses this control plane") && said.contains("SITIO_NATS_URL"), "{said}");
    assert!(!said.contains("wrong-word"), "{said}");
}

#[test]
fn a_url_that_is_none_is_refused_at_the_start() {
    let said = refusal(&[("SITIO_NATS_URL", "nats://[")]);
    assert!(said.contains("--nats-url") && !said.contains("panicked"), "{said}");
}

#[test]
fn the_port_for_replicas_serves_no_stranger() {
    let nats = NatsCluster::start(1);
    let replicas = Replicas::start(1, &nats);
    replicas.expect_leader();
    for said in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xff; 4096], b"\x00\x02{}", &forged()] {
        let mut stranger = TcpStream::connect(("127.0.0.1", replicas.peer_port(0))).unwrap();
        stranger.set_read_timeout(Some(SOON)).unwrap();
        stranger.read_exact(&mut [0; 32]).unwrap();
        // The port may close before all of it is written.
        let _ = stranger.write_all(said);
        let answer = stranger.read(&mut [0; 64]);
        assert!(matches!(answer, Ok(0)) || answer.is_err_and(|why| why.kind() == ErrorKind::ConnectionReset), "{said:?}");
    }
    assert_eq!(replicas.expect_leader(), 0);
}

/// A request for a copy of the store, with an HMAC that was made up.
fn forged() -> Vec<u8> {
    let request = format!(r#"{{"purpose":"copy","client":"127.0.0.1:1","hmac":"{}"}}"#, "00".repeat(32));
    [&(request.len() as u16).to_be_bytes()[..], request.as_bytes()].concat()
}
