//! Waits until the control plane is alive and every pod is ready, by the probes that Kubernetes would use.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail};
use api::client::trust;
use reqwest::Client;
use tokio::time::Instant;

/// Everything runs on this machine and needs some tens of milliseconds, or seconds in a debug build on a busy machine.
const READY_WITHIN: Duration = Duration::from_secs(15);

const ASK_EVERY: Duration = Duration::from_millis(20);

/// Polls `/readyz` of each pod and `/livez` of the dashboard until all succeed. The dashboard is usable before it is
/// ready: after a `kill -9` in the same folder it waits for pods of the earlier demo, and says so.
pub(crate) async fn wait(pods: &[SocketAddr], dashboard: SocketAddr) -> anyhow::Result<()> {
    let client = trust::plain().no_proxy().timeout(READY_WITHIN).build().context("make an HTTP client")?;
    let deadline = Instant::now() + READY_WITHIN;
    let probes = pods.iter().map(|pod| format!("http://{pod}/readyz")).chain([format!("http://{dashboard}/livez")]);
    for probe in probes {
        while !says_yes(&client, &probe).await {
            if Instant::now() >= deadline {
                bail!("{probe} did not say yes within {} s", READY_WITHIN.as_secs());
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    }
    Ok(())
}

async fn says_yes(client: &Client, probe: &str) -> bool {
    client.get(probe).send().await.is_ok_and(|answer| answer.status().is_success())
}
