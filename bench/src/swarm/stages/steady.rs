//! Every sidecar reports every second: measures CPU per frame, memory per sidecar, and late frames.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::swarm::Swarm;
use crate::swarm::dial::Connections;
use crate::swarm::figure::Measurement;
use crate::swarm::server::Server;
use crate::swarm::sidecar::now_ms;
use crate::swarm::stages::StageSettings;
use crate::swarm::tally::TickActivity;

/// Wait after all sidecars have attached.
const SETTLE: Duration = Duration::from_secs(5);

/// Interval of the checks for late frames.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// A frame is late if it is not counted this long after it was made, when the next one is due.
const LATE_MS: u64 = 1000;

/// Time until the last frames are counted after the traffic ends; a busy machine may need a while.
const COUNTED_WITHIN: Duration = Duration::from_secs(60);

/// Runs the stage.
pub async fn run(setting: &StageSettings, connections: Connections) -> anyhow::Result<Vec<Measurement>> {
    let server = Server::start(setting.cores)?;
    let empty_kib = server.resident_kib();
    let swarm = Swarm::start(server.stream, setting.size, connections);
    let attached = swarm.attached().await?;
    sleep(SETTLE).await;
    let frame = frame_cost(&server, &swarm, setting.look).await?;
    let sidecars = setting.size.sidecars as f64;
    let note = format!(
        "{sidecars} sidecars, {:.0} frames/s, {:.0} % of a core; {:.0} windows/s to disk are in it",
        frame.rate,
        frame.core * 100.0,
        frame.windows
    );
    if connections == Connections::Shared {
        let name = "server CPU per frame, multiplexed (µs)";
        let figures = vec![Measurement::at_most(name, 12.0, frame.us, note)];
        swarm.leave().await;
        return Ok(figures);
    }
    let late = late_frames(&server, &swarm, setting.look).await?;
    let held_kb = server.resident_kib() as f64 * 1.024 / sidecars;
    let bytes = swarm.tally.frame_bytes() as f64 / swarm.tally.frames() as f64;
    let window_bytes = swarm.tally.window_bytes() as f64 / swarm.tally.windows().max(1) as f64;
    let exact = stop_and_compare_counts(&server, &swarm).await?;
    swarm.leave().await;
    Ok(vec![
        Measurement::at_most("server CPU per frame, own connections (µs)", 25.0, frame.us, note),
        Measurement::at_most("late frames", 0.0, late.frames as f64, late.note()),
        Measurement::at_most(
            "memory per sidecar (KB)",
            100.0,
            held_kb,
            format!("all that the control plane holds, {empty_kib} KiB when empty, divided by the sidecars"),
        ),
        Measurement::at_most(
            format!("frame of {} active endpoints (kB)", setting.size.endpoints),
            1.2,
            bytes / 1000.0,
            "mean of all frames sent, as protobuf; 20 requests for each endpoint in each frame",
        ),
        Measurement::without_goal(
            format!("window of {} active endpoints (kB)", setting.size.endpoints),
            window_bytes / 1000.0,
            "mean of all windows sent, as protobuf; 200 requests for each endpoint in most of them",
        ),
        Measurement::at_most("requests not counted, or counted twice", 0.0, exact.0, exact.1),
        Measurement::without_goal(
            "all attach at once to a new control plane (s)",
            attached.as_secs_f64(),
            "first connection to last snapshot",
        ),
    ])
}

/// CPU cost of the control plane per report; it includes windows and acks.
struct FrameCost {
    us: f64,
    rate: f64,
    windows: f64,
    core: f64,
}

/// The number of reports comes from the swarm: a request to the control plane would cost as much as
/// a thousand of them.
async fn frame_cost(server: &Server, swarm: &Swarm, look: Duration) -> anyhow::Result<FrameCost> {
    let done = || Ok::<_, anyhow::Error>((server.cpu()?, swarm.tally.frames(), swarm.tally.windows()));
    let (before, began) = (done()?, Instant::now());
    sleep(look).await;
    let (after, took) = (done()?, began.elapsed().as_secs_f64());
    let (frames, windows) = ((after.1 - before.1) as f64, (after.2 - before.2) as f64);
    let cpu = after.0.saturating_sub(before.0).as_secs_f64();
    Ok(FrameCost { us: cpu * 1e6 / frames, rate: frames / took, windows: windows / took, core: cpu / took })
}

/// Results of the check for late frames.
struct Late {
    frames: u64,
    put_off: u64,
    looks: u64,
    slowest_ms: u64,
}

impl Late {
    fn note(&self) -> String {
        format!(
            "not counted {LATE_MS} ms after it was made, in {} looks at all pods ({} ms at worst), or put off by a busy stream ({})",
            self.looks, self.slowest_ms, self.put_off
        )
    }
}

/// Compares when the control plane last heard from each pod with when the pod made its newest frame.
async fn late_frames(server: &Server, swarm: &Swarm, look: Duration) -> anyhow::Result<Late> {
    let put_off = swarm.tally.put_off();
    let mut found = Late { frames: 0, put_off: 0, looks: 0, slowest_ms: 0 };
    let began = Instant::now();
    while began.elapsed() < look {
        let made: Vec<u64> = (0..swarm.size.sidecars).map(|number| swarm.tally.framed_ms(number)).collect();
        let asked_ms = now_ms();
        let pods = server.api.json("/api/v1/pods").await?;
        let received = received(&pods)?;
        ensure!(received.len() == made.len(), "the control plane reports {} pods", received.len());
        for (number, made_ms) in made.into_iter().enumerate() {
            // A frame that existed before the request, and is not in the response, has waited at
            // least since it was made.
            let waits = received.get(&number).is_none_or(|last_message_ms| *last_message_ms < made_ms);
            let waited_ms = if waits { asked_ms.saturating_sub(made_ms) } else { 0 };
            found.frames += u64::from(waited_ms > LATE_MS);
            found.slowest_ms = found.slowest_ms.max(waited_ms);
        }
        found.looks += 1;
        sleep(LOOK_EVERY).await;
    }
    found.put_off = swarm.tally.put_off() - put_off;
    found.frames += found.put_off;
    Ok(found)
}

/// When the last message of each pod arrived, milliseconds since the Unix epoch, by the pod's number.
fn received(pods: &Value) -> anyhow::Result<HashMap<usize, u64>> {
    let rows = pods["pods"].as_array().context("the answer has no pods")?;
    let row = |row: &Value| {
        let number = row["pod"].as_str()?.rsplit('-').next()?.parse().ok()?;
        let received: jiff::Timestamp = row["heard_at"].as_str()?.parse().ok()?;
        Some((number, received.as_millisecond() as u64))
    };
    rows.iter().map(|pod| row(pod).context("a pod's row makes no sense")).collect()
}

/// Ends the traffic, and waits until the control plane has counted all recorded requests.
pub(super) async fn stop_and_compare_counts(server: &Server, swarm: &Swarm) -> anyhow::Result<(f64, String)> {
    swarm.tally.set_activity(TickActivity::None);
    let began = Instant::now();
    loop {
        let (counted, recorded) = (server.api.hits().await?, swarm.tally.recorded());
        if counted == recorded || began.elapsed() > COUNTED_WITHIN {
            let note = format!("{recorded} requests recorded by the sidecars, {counted} counted");
            return Ok(((counted as f64 - recorded as f64).abs(), note));
        }
        sleep(Duration::from_millis(200)).await;
    }
}
