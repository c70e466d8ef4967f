//! Measures the first paint of the overview by the browser's own clock (Paint Timing).

use std::net::SocketAddr;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, ensure};
use scenario::browser::{Browser, Scheme};
use scenario::eventually::{SOON, eventually};
use serde_json::json;

use crate::swarm::figure::Measurement;
use crate::swarm::stages::quantile;

/// Visits per kind of cache.
const VISITS: usize = 15;

/// Pause between two visits, so that leftover work of one does not delay the next.
const PAUSE: Duration = Duration::from_millis(700);

/// How long the browser gets no commands after a navigation. WebDriver waits for the load of the
/// page, which comes before the paint, and a command then is work for the thread that paints.
const UNASKED: Duration = Duration::from_millis(600);

/// Whether the browser has the page's files in its cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cache {
    Kept,
    Empty,
}

/// Milliseconds from the start of the navigation to the response's first byte, its last byte, and the first paint.
const TIMES: &str = "const [page] = performance.getEntriesByType('navigation');
    const [paint] = performance.getEntriesByName('first-contentful-paint');
    return paint ? [page.responseStart, page.responseEnd, paint.startTime] : null";

/// Visits the overview several times.
pub fn run(browser: &Browser, dashboard: SocketAddr) -> anyhow::Result<Vec<Measurement>> {
    browser.look_as(1440, 900, Scheme::Light);
    browser.devtools("Network.enable", json!({}));
    // A returning visitor has style and script in the cache; a new visitor has nothing.
    let again = visits(browser, dashboard, Cache::Kept, "the first paint of the overview (ms)");
    let first = visits(browser, dashboard, Cache::Empty, "the same with an empty cache (ms)");
    Ok(vec![again, first])
}

fn visits(browser: &Browser, dashboard: SocketAddr, cache: Cache, name: &str) -> Measurement {
    browser.devtools("Network.setCacheDisabled", json!({"cacheDisabled": cache == Cache::Empty}));
    let mut visits = Vec::new();
    for _ in 0..VISITS {
        browser.open("about:blank");
        sleep(PAUSE);
        browser.devtools("Page.navigate", json!({"url": format!("http://{dashboard}/")}));
        sleep(UNASKED);
        visits.push(eventually(SOON, || times(browser)));
    }
    browser.devtools("Network.setCacheDisabled", json!({"cacheDisabled": false}));
    let at = |part: usize, q: f64| quantile(&mut visits.iter().map(|visit| visit[part]).collect::<Vec<_>>(), q);
    let note = format!(
        "median of {VISITS} visits, p95 {:.0}; the answer began after {:.0} and was whole after {:.0}",
        at(2, 0.95),
        at(0, 0.5),
        at(1, 0.5)
    );
    Measurement::at_most(name, 100.0, at(2, 0.5), note)
}

fn times(browser: &Browser) -> anyhow::Result<Vec<f64>> {
    let times = browser.script(TIMES)?;
    let times = times.as_array().context("nothing is painted yet")?;
    let times: Vec<f64> = times.iter().filter_map(serde_json::Value::as_f64).collect();
    ensure!(times.len() == 3, "the browser reports {times:?}");
    Ok(times)
}
