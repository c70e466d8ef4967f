//! Measures the dashboard of a large mesh: the time of its page, and the cost of one or many viewers.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::swarm::Swarm;
use crate::swarm::api::Browsers;
use crate::swarm::dial::Connections;
use crate::swarm::figure::Measurement;
use crate::swarm::server::Server;
use crate::swarm::stages::{StageSettings, fan_out, quantile};
use crate::swarm::tally::TickActivity;

/// Number of page requests.
const PAGES: usize = 20;

/// Pause between two page requests, so that they fall into different seconds.
const PAUSE: Duration = Duration::from_millis(300);

/// Numbers of viewers: one, and the on-call staff of a large company.
const WATCHERS: [usize; 2] = [1, 100];

/// Runs the stage. It also measures the rule to one service, because the mesh is already running.
pub async fn run(setting: &StageSettings) -> anyhow::Result<Vec<Measurement>> {
    let server = Server::start(setting.cores)?;
    let swarm = Swarm::start(server.stream, setting.size, Connections::Own);
    swarm.attached().await?;
    // Traffic of one pod of each service keeps all rows changing. The frames of the others cost
    // little compared with the page.
    swarm.tally.set_activity(TickActivity::OnePodOfEach);
    sleep(Duration::from_secs(3)).await;
    let mut figures = vec![page(setting, &server).await?];
    figures.extend(ticks(setting, &server).await?);
    figures.push(fan_out::to_one_service(&server, &swarm).await?);
    swarm.leave().await;
    Ok(figures)
}

async fn page(setting: &StageSettings, server: &Server) -> anyhow::Result<Measurement> {
    let (mut took_ms, mut bytes) = (Vec::new(), 0);
    for _ in 0..PAGES {
        let began = Instant::now();
        bytes = server.api.get("/?window=5m").await?.len();
        took_ms.push(began.elapsed().as_secs_f64() * 1000.0);
        sleep(PAUSE).await;
    }
    let (size, median) = (setting.size, quantile(&mut took_ms, 0.5));
    let note = format!("p95 of {PAGES} pages of {} kB, {median:.0} ms in the middle", bytes / 1000);
    let name = format!("overview of {} endpoints, {} pods: page (ms)", size.endpoints * size.services, size.sidecars);
    Ok(Measurement::at_most(name, 100.0, quantile(&mut took_ms, 0.95), note))
}

/// CPU time per second with viewers, less that without.
async fn ticks(setting: &StageSettings, server: &Server) -> anyhow::Result<Vec<Measurement>> {
    let mut figures = Vec::new();
    for watchers in WATCHERS {
        let before = second(server, setting.look).await?;
        let browsers = Browsers::open(server.api, watchers).await?;
        // The first message of each stream is the whole page; ticks follow.
        sleep(Duration::from_secs(2)).await;
        let bytes = browsers.bytes();
        let watched = second(server, setting.look).await?;
        let bytes = (browsers.bytes() - bytes) as f64 / setting.look.as_secs_f64() / watchers as f64;
        drop(browsers);
        sleep(Duration::from_secs(1)).await;
        let unwatched = f64::midpoint(before, second(server, setting.look).await?);
        let note = format!(
            "{:.0} ms of CPU a second watched, {:.0} ms not; {:.0} kB a second to each",
            watched,
            unwatched,
            bytes / 1000.0
        );
        figures.push(Measurement::at_most(
            format!("event tick, {watchers} watching (ms of CPU)"),
            25.0,
            watched - unwatched,
            note,
        ));
    }
    Ok(figures)
}

/// CPU milliseconds per second.
async fn second(server: &Server, look: Duration) -> anyhow::Result<f64> {
    let (before, began) = (server.cpu()?, Instant::now());
    sleep(look).await;
    Ok(server.cpu()?.saturating_sub(before).as_secs_f64() * 1000.0 / began.elapsed().as_secs_f64())
}
