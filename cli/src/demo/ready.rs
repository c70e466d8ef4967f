//! Waits until the control plane and every pod say that they are ready, by the ports that Kubernetes would ask.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail};
use client::trust;
use reqwest::Client;
use tokio::time::Instant;

/// All parts are on this machine and need some tens of milliseconds, a debug build on a busy machine some seconds.
const READY_WITHIN: Duration = Duration::from_secs(15);

const ASK_EVERY: Duration = Duration::from_millis(20);

/// Asks each address for `/readyz` until it says yes.
pub(crate) async fn wait(addresses: &[SocketAddr]) -> anyhow::Result<()> {
    let client = trust::plain().no_proxy().timeout(READY_WITHIN).build().context("make an HTTP client")?;
    let deadline = Instant::now() + READY_WITHIN;
    for address in addresses {
        while !is_ready(&client, *address).await {
            if Instant::now() >= deadline {
                bail!("http://{address}/readyz did not say yes within {} s", READY_WITHIN.as_secs());
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    }
    Ok(())
}

async fn is_ready(client: &Client, address: SocketAddr) -> bool {
    let answer = client.get(format!("http://{address}/readyz")).send().await;
    answer.is_ok_and(|answer| answer.status().is_success())
}
