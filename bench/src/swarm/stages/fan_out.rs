//! Measures the time from a new rule until the last selected pod has confirmed it.

use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::swarm::Swarm;
use crate::swarm::dial::Connections;
use crate::swarm::figure::Measurement;
use crate::swarm::server::Server;
use crate::swarm::size::SwarmSize;
use crate::swarm::stages::{StageSettings, quantile};

/// Number of rules, created and withdrawn one after the other.
const RULES: usize = 10;

/// How long a rule may take.
const CONFIRMED_WITHIN: Duration = Duration::from_secs(20);

/// Pause between two rules.
const PAUSE: Duration = Duration::from_secs(1);

/// A rule for every pod of the mesh: all of them are copies of one service.
pub async fn to_all(setting: &StageSettings) -> anyhow::Result<Vec<Measurement>> {
    let size = SwarmSize { services: 1, ..setting.size };
    let server = Server::start(setting.cores)?;
    let swarm = Swarm::start(server.stream, size, Connections::Own);
    swarm.attached().await?;
    sleep(Duration::from_secs(3)).await;
    let name = format!("a rule to all {} sidecars: receipts p99 (ms)", size.sidecars);
    let figure = send(&server, size.sidecars, name, 500.0).await?;
    swarm.leave().await;
    Ok(vec![figure])
}

/// A rule for the pods of one service, while the others also report.
pub async fn to_one_service(server: &Server, swarm: &Swarm) -> anyhow::Result<Measurement> {
    let copies = swarm.size.sidecars / swarm.size.services;
    let name = format!("a rule to {copies} of {} sidecars: receipts p99 (ms)", swarm.size.sidecars);
    send(server, copies, name, 100.0).await
}

async fn send(server: &Server, pods: usize, name: String, goal_ms: f64) -> anyhow::Result<Measurement> {
    let (mut took_ms, mut last_ms) = (Vec::new(), Vec::new());
    for _ in 0..RULES {
        let order = json!({
            "service": "service-000", "method": "GET", "route": "/api/v2/resource-aa/{id}/detail",
            "action": {"disable": {"status": 503}}, "ttl": "1h", "reason": "the benchmark measures it", "allow_unseen": true,
        });
        let rule = server.api.post("/api/v1/rules", &order).await?;
        let id = rule["id"].as_str().context("the rule has no id")?.to_owned();
        let receipts = confirmed(server, &id, pods).await?;
        last_ms.push(receipts.iter().copied().fold(0.0, f64::max));
        took_ms.extend(receipts);
        server.api.delete(&format!("/api/v1/rules/{id}")).await?;
        sleep(PAUSE).await;
    }
    let note = format!(
        "{RULES} rules, from the command to each pod's receipt; the last receipt came after {:.0} ms in the middle, {:.0} ms at worst",
        quantile(&mut last_ms, 0.5),
        quantile(&mut last_ms, 1.0)
    );
    Ok(Measurement::at_most(name, goal_ms, quantile(&mut took_ms, 0.99), note))
}

/// Waits until every pod has confirmed, and returns the time of each in milliseconds.
async fn confirmed(server: &Server, id: &str, pods: usize) -> anyhow::Result<Vec<f64>> {
    let began = Instant::now();
    loop {
        // More frequent requests would use CPU time that the control plane needs for the receipts.
        sleep(PAUSE).await;
        let rule = server.api.json(&format!("/api/v1/rules/{id}")).await?;
        let receipts = rule["pods"].as_array().context("the rule has no pods")?;
        let applied = |receipt: &Value| (receipt["state"] == "applied").then(|| receipt["took_ms"].as_f64()).flatten();
        let took_ms: Vec<f64> = receipts.iter().filter_map(applied).collect();
        if took_ms.len() == pods {
            return Ok(took_ms);
        }
        ensure!(began.elapsed() < CONFIRMED_WITHIN, "{} of {pods} pods have confirmed", took_ms.len());
    }
}
