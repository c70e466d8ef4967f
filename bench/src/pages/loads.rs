//! What pages load: bytes of style and script, and requests to other origins, which must be none.

use std::net::SocketAddr;

use anyhow::Context;
use scenario::api::Api;
use scenario::asset_size::{self, AssetSize};
use scenario::browser::Browser;
use scenario::eventually::{SOON, eventually};

use crate::swarm::figure::Measurement;

/// Measures the size of the overview, and visits every page with a browser that logs its requests.
pub fn run(dashboard: SocketAddr) -> anyhow::Result<Vec<Measurement>> {
    let api = Api::at(dashboard.port());
    let html = api.page("/")?;
    let weigh = |weight: AssetSize| {
        Measurement::at_most(
            format!("{} with gzip (bytes)", weight.kind),
            weight.bytes_max as f64,
            weight.bytes as f64,
            "overview",
        )
    };
    let mut figures: Vec<Measurement> = asset_size::of(&html, &api).into_iter().map(weigh).collect();
    figures.push(Measurement::without_goal(
        "HTML of the overview (bytes)",
        html.len() as f64,
        "not zipped, as it is sent on loopback",
    ));
    figures.push(strangers(dashboard, &api)?);
    Ok(figures)
}

/// Counts requests of all pages to other origins.
fn strangers(dashboard: SocketAddr, api: &Api) -> anyhow::Result<Measurement> {
    let rows = api.endpoints()?;
    let id = rows.first().and_then(|row| row["id"].as_str()).context("there is no endpoint")?;
    let (endpoint, pin) = (format!("/endpoints/{id}"), format!("/endpoints/{id}/pin"));
    let browser = Browser::recording_requests();
    let pages = ["/", "/pods", "/map", "/audit", "/tap", &endpoint, &pin, "/nowhere"];
    let mut asked_for = Vec::new();
    for page in pages {
        browser.open(&format!("http://{dashboard}{page}"));
        eventually(SOON, || {
            let is_awake = browser.script("return document.body.dataset.live === 'no' || 'pulse' in document.body.dataset")?;
            anyhow::ensure!(is_awake == true, "{page} is not live yet");
            Ok(())
        });
        asked_for.extend(browser.asked_for());
    }
    let own = format!("http://{dashboard}/");
    let strange: Vec<&String> = asked_for.iter().filter(|address| !address.starts_with(&own)).collect();
    let note = match strange.first() {
        None => format!("of {} by {} pages", asked_for.len(), pages.len()),
        Some(first) => format!("of {}, the first for {first}", asked_for.len()),
    };
    Ok(Measurement::at_most("requests that leave the origin", 0.0, strange.len() as f64, note))
}
