//! The pods as they are drawn: for the sample, for a filter, for hostile names, for nothing at all.

use super::*;
use crate::web::sample;

fn query(query: &str) -> ViewQuery {
    Query::<ViewQuery>::try_from_uri(&format!("/pods?{query}").parse().unwrap()).unwrap().0
}

fn page(snapshot: &Snapshot, asked: &str) -> String {
    PodsPage::of(snapshot, query(asked).find, PodsView::from(query(asked)), query(asked).address("/pods.csv", ""))
        .render()
        .unwrap()
}

#[test]
fn silent_pods_come_first_and_say_for_how_long() {
    let pods = Pods::of(&sample::snapshot(), &PodsView::default());
    let rows: Vec<_> = pods.rows.iter().map(|(pod, _)| (pod.name.as_str(), pod.status.as_str(), pod.level)).collect();
    assert_eq!(rows, [("legacy-2", "Silent 14 s", "bad"), ("legacy-1", "Near memory limit", "warn")]);
    assert_eq!(pods.page.sub, "2 sidecars in 1 service on 1 node");
    let silent = &pods.rows[0].0;
    assert_eq!((silent.cpu.words().as_str(), silent.age.words().as_str(), silent.age_level), ("30 %", "14.0 s", "bad"));
    assert_eq!(pods.rows[1].0.receipt_note, "in 44 ms, 12 s ago");
}

#[test]
fn a_pod_that_is_behind_says_so() {
    let mut snapshot = sample::snapshot();
    snapshot.revision = 119;
    let pods = Pods::of(&snapshot, &PodsView::default());
    assert_eq!(pods.tiles.current.lead, "2 pods behind");
    assert_eq!((pods.rows[0].0.receipt.as_str(), pods.rows[0].0.receipt_level), ("#118", "warn"));
    assert_eq!(pods.rows[0].0.receipt_note, "behind, 12 s ago");

    let workload = Arc::make_mut(&mut snapshot.pods[0].workload);
    workload.version = "0.2.0".into();
    let pods = Pods::of(&snapshot, &PodsView::default());
    assert_eq!((pods.tiles.versions.now.v.as_str(), pods.tiles.versions.note.as_str()), ("2", "1 on 0.2.0, 1 on 0.1.0"));
    assert_eq!(pods.rows[0].0.outdated, "behind");
}

#[test]
fn the_filter_chooses() {
    let names = |asked: &str| -> Vec<String> {
        Pods::of(&sample::snapshot(), &PodsView::from(query(asked))).rows.into_iter().map(|(pod, _)| pod.name).collect()
    };
    assert_eq!(names("show=silent"), ["legacy-2"]);
    assert_eq!(names("find=NODE-a1&sort=pod:up"), ["legacy-1", "legacy-2"]);
    assert!(names("find=nothing").is_empty());
    assert!(page(&sample::snapshot(), "find=nothing").contains("data-filtered=\"all\""));
}

#[test]
fn the_page_says_what_each_pod_does() {
    let html = page(&sample::snapshot(), "");
    assert!(html.contains("legacy-2") && html.contains("of 256 MiB") && html.contains("1 silent for 14 s"));
    assert_eq!(html.matches("<tr role=\"row\" id=").count(), 3, "a row for each pod and one to clone");
    assert!(!html.contains(" style="));

    let mut empty = sample::snapshot();
    empty.pods.clear();
    assert!(page(&empty, "").contains("data-state=\"no-pods\""));
}

#[test]
fn a_hostile_pod_stays_text() {
    let mut snapshot = sample::snapshot();
    let workload = Arc::make_mut(&mut snapshot.pods[0].workload);
    (workload.pod, workload.service) = ("\"><script>alert(1)</script>".into(), "a&b=<i>".into());
    let html = page(&snapshot, "find=%3Cscript");
    assert!(!html.contains("<script>alert") && !html.contains("<i>"));
    assert!(html.contains("/?service=a%26b%3D%3Ci%3E"));
}
