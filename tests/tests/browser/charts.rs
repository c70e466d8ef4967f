//! Browser test of the layout of an endpoint's charts: the widest labels fit, and no part of the page stays empty.

use anyhow::ensure;
use scenario::browser::{Browser, Scheme};
use scenario::eventually::{SOON, eventually};
use scenario::small_mesh::SmallMesh;

/// Writes the widest latency into every label, and returns the labels that are outside of their chart.
const LABELS_OUTSIDE: &str = "
    const write = (places, text) => document.querySelectorAll(places).forEach(place => place.textContent = text);
    write('[data-cells^=octave] text, [data-cells=heatmap] tspan[data-k$=value]', '1,024 s');
    write('[data-cells=heatmap] tspan[data-k$=name]', 'p99');
    return [...document.querySelectorAll('svg.chart text')].filter(label => {
        const [box, chart] = [label, label.closest('svg')].map(one => one.getBoundingClientRect());
        return box.width > 0 && (box.left < chart.left - 1 || box.right > chart.right + 1 || box.bottom > chart.bottom + 1);
    }).map(label => label.textContent);";

/// How far the second card on the left begins below the end of the first, in pixels.
const GAP: &str = "
    const [first, second] = [...document.querySelector('.g2 > .stack').children].map(card => card.getBoundingClientRect());
    return second.height > 100 ? second.top - first.bottom : null;";

#[test]
fn labels_fit_into_their_charts_and_no_half_below_them_is_empty() {
    let mesh = SmallMesh::start("people", 1);
    mesh.pods[0].get("/users/1");
    mesh.api().expect_hits("people", 1);
    let endpoints = mesh.api().endpoints().unwrap();
    let id = endpoints[0]["id"].as_str().unwrap();
    let browser = Browser::start();
    browser.look_as(1440, 900, Scheme::Light);
    let address = format!("http://127.0.0.1:{}/endpoints/{id}?window=1m", mesh.control_plane.http_port);
    // A column of the chart ends a moment after the request.
    eventually(SOON, || {
        browser.open(&address);
        let summary = browser.attribute("[data-cells=heatmap]", "aria-label")?;
        ensure!(summary.contains(" take "), "the chart is empty: {summary}");
        Ok(())
    });
    // No later update changes the labels.
    eventually(SOON, || browser.click("#pause"));
    eventually(SOON, || {
        let pulse = browser.text("#pulse .word")?;
        ensure!(pulse == "Paused", "{pulse}");
        Ok(())
    });
    browser.script("return new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))").unwrap();

    for width in [1440, 390] {
        browser.look_as(width, 900, Scheme::Light);
        assert_eq!(browser.script(LABELS_OUTSIDE).unwrap(), serde_json::json!([]), "at {width} px");
    }

    browser.look_as(1440, 900, Scheme::Light);
    let gap = browser.script(GAP).unwrap();
    assert!(gap.as_f64().is_some_and(|gap| (0.0..40.0).contains(&gap)), "below the latency chart is a gap of {gap} px");
}
