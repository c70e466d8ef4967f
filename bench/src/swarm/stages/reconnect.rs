//! Kills and restarts the control plane; measures the time until all data is complete again, and the memory needed.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::swarm::Swarm;
use crate::swarm::dial::Connections;
use crate::swarm::figure::Measurement;
use crate::swarm::server::Server;
use crate::swarm::stages::StageSettings;
use crate::swarm::stages::steady::stop_and_compare_counts;

/// Time of traffic before the restart, so that there are counts to lose.
const TRAFFIC: Duration = Duration::from_secs(5);

/// Wait until memory has settled.
const SETTLE: Duration = Duration::from_secs(10);

/// Runs the stage.
pub async fn run(setting: &StageSettings) -> anyhow::Result<Vec<Measurement>> {
    let mut server = Server::start(setting.cores)?;
    let swarm = Swarm::start(server.stream, setting.size, Connections::Own);
    swarm.attached().await?;
    sleep(TRAFFIC).await;
    let before_kib = server.resident_kib();
    server.restart()?;
    let began = Instant::now();
    // All sidecars notice at once, and then dial ten times a second.
    while swarm.tally.attached() == setting.size.sidecars {
        sleep(Duration::from_millis(1)).await;
    }
    swarm.attached().await?;
    let attached = began.elapsed();
    let (lost, note) = stop_and_compare_counts(&server, &swarm).await?;
    let complete = began.elapsed();
    let peak_kib = server.peak_kib();
    sleep(SETTLE).await;
    let after_kib = server.resident_kib();
    let failed = format!("all attached after {:.1} s; {} dials failed", attached.as_secs_f64(), swarm.tally.dials_failed());
    swarm.leave().await;
    Ok(vec![
        Measurement::at_most(
            format!("all {} reconnect at once: complete (s)", setting.size.sidecars),
            15.0,
            complete.as_secs_f64(),
            failed,
        ),
        Measurement::at_most("reconnect: requests not counted, or counted twice", 0.0, lost, note),
        Measurement::at_most(
            "reconnect: most memory over what it held before",
            2.0,
            peak_kib as f64 / before_kib as f64,
            format!("{before_kib} KiB before, {peak_kib} KiB at most, {after_kib} KiB when all was over"),
        ),
    ])
}
