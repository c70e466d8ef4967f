//! Checks the tables of metrics against the pages of a running sidecar and control plane.

use std::collections::BTreeSet;

use anyhow::ensure;
use scenario::control_plane::ControlPlane;
use scenario::eventually::{SOON, eventually};
use scenario::small_mesh::SmallMesh;

use crate::section::{check, table};

/// Labels whose values are few and fixed, and so belong into the table.
const ENUMERATED: [&str; 4] = ["reason", "slot", "state", "what"];

#[test]
fn the_metrics_are_documented() {
    let mesh = SmallMesh::start("shop", 1);
    assert_eq!(mesh.pods[0].get("/").status(), 200);

    let scraped = eventually(SOON, || {
        let text = mesh.control_plane.api().page("/metrics")?;
        ensure!(text.contains("http_route=\"/\""), "the request is not counted yet");
        Ok(text)
    });

    check("metrics.md", "/metrics of the sidecar", &families(&mesh.pods[0].admin("/metrics").text()));
    check("metrics.md", "/metrics of the control plane", &families(&(scraped + of_channels().as_str())));
}

/// The lines about channels of notices, which only a control plane with a channel has.
fn of_channels() -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("notifications.yaml");
    std::fs::write(&file, "channels:\n- name: pager\n  webhook: {url: http://127.0.0.1:9/}\nroutes:\n- channels: [pager]\n")
        .unwrap();
    let control_plane = ControlPlane::with(&[("SITIO_NOTIFICATIONS_FILE", file.to_str().unwrap())]);
    let page = control_plane.api().page("/metrics").unwrap();
    page.split_inclusive('\n').filter(|line| line.contains("sitio_notifications")).collect()
}

/// A row for each family: name, type, labels, help.
fn families(page: &str) -> String {
    let helps = page.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split_once(' '));
    let rows = helps.map(|(name, help)| {
        let kind = page.lines().find_map(|line| line.strip_prefix(&format!("# TYPE {name} "))).unwrap_or("untyped");
        vec![format!("`{name}`"), kind.to_owned(), labels(page, name), help.to_owned()]
    });
    table(&["metric", "type", "labels", "meaning"], rows)
}

fn labels(page: &str, family: &str) -> String {
    let samples = page.lines().filter_map(|line| {
        let rest = line.strip_prefix(family)?.trim_start_matches("_bucket").strip_prefix('{')?;
        Some(rest.rsplit_once('}')?.0)
    });
    let pairs = samples.flat_map(|labels| labels.split(',')).filter_map(|label| label.split_once('='));
    let (mut names, mut values) = (Vec::new(), BTreeSet::new());
    for (name, value) in pairs.filter(|(name, _)| *name != "le") {
        if !names.contains(&name) {
            names.push(name);
        }
        if ENUMERATED.contains(&name) {
            values.insert(format!("`{}`", value.trim_matches('"')));
        }
    }
    let names = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if values.is_empty() { names } else { format!("{names}: {}", values.into_iter().collect::<Vec<_>>().join(", ")) }
}
