//! Measures the CPU time of the browser's main thread per second of a live overview: script, layout and style.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::thread::sleep;
use std::time::Duration;

use anyhow::ensure;
use scenario::browser::{Browser, Scheme};
use scenario::eventually::{SOON, eventually};
use serde_json::json;

use crate::swarm::figure::Measurement;
use crate::swarm::stages::quantile;

/// Seconds to measure, one by one; each contains a tick.
const TICKS: usize = 30;

/// Wait after the page is live, so that the one-time cost of the page is not measured.
const SETTLE: Duration = Duration::from_secs(4);

/// The parts of a tick. The figure is their sum.
const PARTS: [&str; 3] = ["ScriptDuration", "LayoutDuration", "RecalcStyleDuration"];

/// All work of the thread: the parts above, painting and garbage collection.
const WHOLE: &str = "TaskDuration";

/// Window sizes in which the overview is measured.
const LOOKS: [(&str, u32, u32); 2] = [("desk", 1440, 900), ("phone", 390, 844)];

/// Opens the overview and measures each second.
pub fn run(browser: &Browser, dashboard: SocketAddr, endpoints: usize) -> anyhow::Result<Vec<Measurement>> {
    // Use the thread's own CPU time, so that other processes on this machine are not counted.
    browser.devtools("Performance.enable", json!({"timeDomain": "threadTicks"}));
    let mut figures = Vec::new();
    for (look, width, height) in LOOKS {
        browser.look_as(width, height, Scheme::Light);
        browser.open(&format!("http://{dashboard}/"));
        eventually(SOON, || {
            let pulse = browser.script("return document.body.dataset.pulse")?;
            ensure!(pulse == "live", "it is not live yet");
            Ok(())
        });
        sleep(SETTLE);
        figures.extend(figure(look, endpoints, &seconds(browser)));
    }
    Ok(figures)
}

/// Time of each part in each second, in milliseconds.
fn seconds(browser: &Browser) -> Vec<HashMap<String, f64>> {
    let mut before = metrics(browser);
    let mut seconds = Vec::new();
    for _ in 0..TICKS {
        sleep(Duration::from_secs(1));
        let now = metrics(browser);
        let took = |(name, value): (&String, &f64)| (name.clone(), (value - before[name]) * 1000.0);
        seconds.push(now.iter().map(took).collect());
        before = now;
    }
    seconds
}

fn metrics(browser: &Browser) -> HashMap<String, f64> {
    let answer = browser.devtools("Performance.getMetrics", json!({}));
    let metrics = answer["metrics"].as_array().into_iter().flatten();
    metrics.filter_map(|metric| Some((metric["name"].as_str()?.to_owned(), metric["value"].as_f64()?))).collect()
}

fn figure(look: &str, endpoints: usize, seconds: &[HashMap<String, f64>]) -> [Measurement; 2] {
    let middle = |name: &str| quantile(&mut seconds.iter().map(|second| second[name]).collect::<Vec<_>>(), 0.5);
    let mut sums: Vec<f64> = seconds.iter().map(|second| PARTS.iter().map(|part| second[*part]).sum()).collect();
    let note = format!(
        "median of {TICKS} ticks, p95 {:.1}: script {:.1}, layout {:.1}, style {:.1}",
        quantile(&mut sums, 0.95),
        middle(PARTS[0]),
        middle(PARTS[1]),
        middle(PARTS[2])
    );
    let name = format!("tick of {endpoints} endpoints, {look}: main thread (ms)");
    [
        Measurement::at_most(name, 25.0, quantile(&mut sums, 0.5), note),
        Measurement::without_goal(
            format!("the same with all else that it does, {look} (ms)"),
            middle(WHOLE),
            "painting and garbage included",
        ),
    ]
}
