//! Tests time ranges: sums of whole slots, in the API and on the command line.

use anyhow::ensure;
use scenario::eventually::{SOON, eventually};
use scenario::small_mesh::SmallMesh;
use serde_json::Value;

/// The hits of all endpoints in a range, and the range of whole slots that they cover.
fn hits(mesh: &SmallMesh, query: &str) -> anyhow::Result<(u64, String, String)> {
    let answer = mesh.api().json(&format!("/api/v1/endpoints?{query}"))?;
    let rows = answer["endpoints"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok((rows.filter_map(|row| row["hits"].as_u64()).sum(), text(&answer["from"]), text(&answer["to"])))
}

#[test]
fn a_range_is_the_sum_of_whole_slots_and_says_which() {
    let mesh = SmallMesh::start("shop", 1);
    let begun_ms = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64;
    (0..7).for_each(|_| assert_eq!(mesh.pods[0].get("/bytes/10").status(), 200));
    mesh.api().expect_hits("shop", 7);
    let (hour_ms, minute_ms) = (3_600_000, 60_000);

    // A range until now also contains what is not on disk yet.
    eventually(SOON, || {
        let (hits, from, to) = hits(&mesh, &format!("from={}", begun_ms - hour_ms))?;
        ensure!(hits == 7 && from.ends_with(":00.000Z") && to.ends_with(":00.000Z"), "{hits} from {from} to {to}");
        Ok(())
    });
    // A range before the first request.
    let (before, from, to) = hits(&mesh, &format!("from={}&to={}", begun_ms - 3 * hour_ms, begun_ms - 2 * hour_ms)).unwrap();
    assert_eq!(before, 0, "from {from} to {to}");
    // Each hit is in exactly one of two adjacent ranges.
    let middle_ms = begun_ms / minute_ms * minute_ms;
    eventually(SOON * 2, || {
        let (earlier, _, to) = hits(&mesh, &format!("from={}&to={middle_ms}", begun_ms - hour_ms))?;
        let (later, from, _) = hits(&mesh, &format!("from={middle_ms}"))?;
        ensure!(earlier + later == 7 && (from == to || from.is_empty()), "{earlier} to {to} and {later} from {from}");
        Ok(())
    });

    let table = mesh.sitio(&["stat", "--from", "-1h"]).success();
    assert!(table.contains(" UTC, in whole slots\n") && table.contains("/bytes/{id}"), "{table}");
    let none = mesh.sitio(&["history", "/bytes/{id}", "--from", "-3h", "--to", "-2h"]).success();
    assert!(none.contains("its pods remember no such request"), "{none}");
    assert!(mesh.sitio(&["history", "/bytes/{id}", "--from", "-1h"]).success().contains("/bytes/10"));
    for misuse in
        [&["--from", "yesterday"][..], &["--to", "-1h"], &["--from", "-1h", "--window", "5m"], &["--from", "-1h", "--to", "-2h"]]
    {
        let output = mesh.sitio(&[&["stat"][..], misuse].concat()).failed(2);
        assert_eq!(output.lines().count(), 1, "{output}");
    }
}
