//! Tests of clients whose machine disappears: it closes nothing, so only the kernel's probes find out.

use anyhow::ensure;
use scenario::eventually::{SOON, eventually};
use scenario::origin::Origin;
use scenario::process::Process;
use scenario::sidecar::Sidecar;
use scenario::vanishing_host::VanishingHost;

/// A client is gone 8 s after it has vanished: 4 s of silence, and probes for as long.
const KEEPALIVE: &str = "4s";

/// Larger than what the buffers on the way hold.
const RESPONSE: &str = "/bytes/50000000";

fn get(host: &VanishingHost, sidecar: &Sidecar, path: &str) -> Process {
    let mut command = host.command("curl");
    command.args(["--silent", "--limit-rate", "100k", &format!("http://{}:{}{path}", host.here, sidecar.port)]);
    Process::start(command)
}

#[test]
fn exchanges_of_a_client_that_has_vanished_end() {
    let origin = Origin::start();
    let sidecar = Sidecar::builder(origin.port()).with("SITIO_KEEPALIVE", KEEPALIVE).start();
    let host = VanishingHost::connect();
    // One waits for its response, and one is receiving it.
    let _clients = ["/gate", RESPONSE].map(|path| get(&host, &sidecar, path));
    eventually(SOON, || {
        let (waiting, receiving) = (origin.waiting(), origin.asked(RESPONSE));
        ensure!((waiting, receiving) == (1, 1), "{waiting} request waits, and {receiving} is answered");
        Ok(())
    });
    host.vanish();

    sidecar.expect_counted(499, 2);
    sidecar.expect_idle();
}
