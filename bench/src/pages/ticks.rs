//! What a second of a live overview costs the browser's main thread: script, layout and style, in processor time.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::thread::sleep;
use std::time::Duration;

use anyhow::ensure;
use scenario::browser::{Browser, Scheme};
use scenario::eventually::{SOON, eventually};
use serde_json::json;

use crate::swarm::figure::Figure;
use crate::swarm::stages::quantile;

/// Seconds that are looked at, one by one; there is a tick in each.
const TICKS: usize = 30;

/// After the page came and before the first look, so that what a page costs once is not in it.
const SETTLE: Duration = Duration::from_secs(4);

/// Of what a tick consists. The figure is their sum.
const PARTS: [&str; 3] = ["ScriptDuration", "LayoutDuration", "RecalcStyleDuration"];

/// What else the thread does: painting, collecting garbage, and all of the parts above.
const WHOLE: &str = "TaskDuration";

/// Windows in which the overview is looked at.
const LOOKS: [(&str, u32, u32); 2] = [("desk", 1440, 900), ("phone", 390, 844)];

/// Looks at the overview, and tells what each second took.
pub fn run(browser: &Browser, dashboard: SocketAddr, endpoints: usize) -> anyhow::Result<Vec<Figure>> {
    // By the thread's own time, so that whoever else runs on this machine is not counted.
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

/// What each part took in each second, milliseconds.
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

fn figure(look: &str, endpoints: usize, seconds: &[HashMap<String, f64>]) -> [Figure; 2] {
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
        Figure::at_most(name, 25.0, quantile(&mut sums, 0.5), note),
        Figure::told(format!("the same with all else that it does, {look} (ms)"), middle(WHOLE), "painting and garbage included"),
    ]
}
