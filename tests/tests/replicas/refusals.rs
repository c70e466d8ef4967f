//! Tests what a replica refuses, and that its message says what to do.

use scenario::control_plane::bare;
use scenario::eventually::SOON;
use scenario::nats::NatsCluster;
use scenario::process::Process;

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
    let nats = NatsCluster::with_jetstream(1, "");
    let said = refusal(&[("SITIO_NATS_URL", &nats.urls()), ("SITIO_NATS_COPIES", "1")]);
    assert!(said.contains("JetStream is off on this NATS"), "{said}");
}
