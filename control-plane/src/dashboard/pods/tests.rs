//! Tests of the rendered pods page: the sample mesh, filters, hostile names, and an empty mesh.

use std::sync::Arc;

use mesh::refusal::{RefusalReason, Refusals};
use mesh::report::Resources;

use crate::dashboard::order::SortOrder;
use crate::dashboard::pods::*;
use crate::dashboard::sample;
use crate::model::pod::PodState;
use format::number;
use format::number::Quantity;

fn query(query: &str) -> ViewQuery {
    Query::<ViewQuery>::try_from_uri(&format!("/pods?{query}").parse().unwrap()).unwrap().0
}

fn page(snapshot: &Snapshot, asked: &str) -> String {
    PodsPage::of(snapshot, query(asked), sample::operator()).render().unwrap()
}

fn rows(pods: &PodsTable) -> Vec<&PodCells> {
    pods.groups.iter().flat_map(|group| &group.pods).collect()
}

#[test]
fn silent_pods_come_first_and_say_for_how_long() {
    let pods = PodsTable::of(&sample::snapshot(), &PodsView::default());
    let rows = rows(&pods);
    let reported: Vec<_> = rows.iter().map(|pod| (pod.name.as_str(), pod.status.as_str(), pod.level)).collect();
    assert_eq!(reported, [("legacy-2", "Silent 14 s", "bad"), ("legacy-1", "Near memory limit", "warn")]);
    assert_eq!(pods.page.sub, "2 sidecars in 1 service on 1 node");
    let silent = rows[0];
    assert_eq!((silent.cpu.words().as_str(), silent.age.words().as_str(), silent.age_level), ("30 %", "14.0 s", "bad"));
    assert_eq!(rows[1].receipt_note, "in 44 ms, 12 s ago");
}

#[test]
fn a_pod_that_is_behind_says_so() {
    let mut snapshot = sample::snapshot();
    snapshot.revision = 119;
    // The new rule is for another service.
    assert_eq!(PodsTable::of(&snapshot, &PodsView::default()).tiles.current.lead, "all have the newest rules");

    snapshot.pods.iter_mut().for_each(|pod| pod.revision_wanted = 119);
    let pods = PodsTable::of(&snapshot, &PodsView::default());
    assert_eq!(pods.tiles.current.lead, "2 pods behind");
    assert_eq!((rows(&pods)[0].receipt.as_str(), rows(&pods)[0].receipt_level), ("#118", "warn"));
    assert_eq!(rows(&pods)[0].receipt_note, "behind, 12 s ago");

    let workload = Arc::make_mut(&mut snapshot.pods[0].workload);
    workload.version = "0.2.0".into();
    let pods = PodsTable::of(&snapshot, &PodsView::default());
    assert_eq!((pods.tiles.versions.now.v.as_str(), pods.tiles.versions.note.as_str()), ("2", "1 on 0.2.0, 1 on 0.1.0"));
    assert_eq!(rows(&pods)[0].outdated, "behind");
}

#[test]
fn what_a_sidecar_has_refused_is_shown_with_its_reasons() {
    let mut snapshot = sample::snapshot();
    assert_eq!(rows(&PodsTable::of(&snapshot, &PodsView::default()))[0].refused, "");
    let mut refused = Refusals::default();
    (refused[RefusalReason::Target], refused[RefusalReason::Http2]) = (1200, 1);
    snapshot.pods[0].resources = Some(Resources { refused, ..snapshot.pods[0].resources.unwrap_or_default() });
    let reported = PodsTable::of(&snapshot, &PodsView::default());
    assert!(rows(&reported).iter().any(|pod| pod.refused == "1,201 requests refused: target 1,200, http2 1"));
    assert!(page(&snapshot, "").contains("1,201 requests refused: target 1,200, http2 1"));
}

#[test]
fn two_processes_of_one_uid_are_both_rows_and_come_first() {
    let mut snapshot = sample::snapshot();
    let mut only = sample::snapshot().pods.remove(0);
    let workload = Arc::make_mut(&mut only.workload);
    (workload.pod, workload.pod_uid) = ("legacy-0".into(), "legacy-0".into());
    (only.resources, snapshot.pods[1].state) = (None, PodState::Reporting);
    snapshot.pods[0].claimants = 2;
    let second = PodRow { epoch: 2, ..snapshot.pods[0].clone() };
    snapshot.pods.extend([only, second]);

    let pods = PodsTable::of(&snapshot, &PodsView::default());

    let rows = rows(&pods);
    let first: Vec<_> = rows.iter().map(|pod| (pod.name.as_str(), pod.status.as_str(), pod.level)).take(2).collect();
    assert_eq!(first, [("legacy-1", "2 processes report as this pod", "bad"); 2]);
    assert_ne!(rows[0].id, rows[1].id, "each has an element of its own");
    let html = page(&snapshot, "");
    assert_eq!(html.matches("2 processes report as this pod").count(), 2);
}

#[test]
fn the_filter_chooses() {
    let names = |asked: &str| -> Vec<String> {
        rows(&PodsTable::of(&sample::snapshot(), &PodsView::from(query(asked)))).iter().map(|pod| pod.name.clone()).collect()
    };
    assert_eq!(names("show=silent"), ["legacy-2"]);
    assert_eq!(names("find=NODE-a1&sort=pod:up"), ["legacy-1", "legacy-2"]);
    assert!(names("find=nothing").is_empty());
    assert!(page(&sample::snapshot(), "find=nothing").contains("data-filtered=\"all\""));
}

#[test]
fn groups_stand_below_headings_in_the_order_that_was_asked_for() {
    let mut snapshot = sample::snapshot();
    let another = |service: &str, node: &str| {
        let mut pod = sample::snapshot().pods.remove(0);
        let workload = Arc::make_mut(&mut pod.workload);
        (workload.pod, workload.pod_uid) = (format!("{service}-1"), format!("{service}-1"));
        (workload.service, workload.node) = (service.into(), node.into());
        pod
    };
    snapshot.pods.extend([another("api", ""), another("web", "node-a1")]);
    let reported = |asked: &str| -> Vec<String> {
        let moment = PodsTable::of(&snapshot, &PodsView::from(query(asked))).live_frame();
        let words = |id: &String| {
            let cells = &moment.cells.elements()[id];
            cells.get("title").or_else(|| cells.get("name")).unwrap().to_owned()
        };
        moment.order(SortOrder::Problems).iter().map(words).collect()
    };
    assert_eq!(
        reported("group=service&sort=pod:up"),
        ["api, 1 pod", "api-1", "legacy, 2 pods", "legacy-1", "legacy-2", "web, 1 pod", "web-1"]
    );
    assert_eq!(reported("group=node"), ["No node reported, 1 pod", "api-1", "node-a1, 3 pods", "legacy-2", "legacy-1", "web-1"]);
    assert_eq!(reported("group=nonsense").len(), 4);
    let html = page(&snapshot, "group=node");
    assert!(html.contains("<option value=\"node\" selected>") && html.contains(">node-a1, 3 pods</td>"));
}

#[test]
fn a_heading_counts_its_pods_also_where_not_all_of_them_are_shown() {
    let mut snapshot = sample::snapshot();
    let copy = |service: &str, number: usize| {
        let mut pod = sample::snapshot().pods.remove(0);
        let workload = Arc::make_mut(&mut pod.workload);
        (workload.service, workload.pod_uid) = (service.into(), format!("{service}-{number}"));
        pod
    };
    snapshot.pods = (0..150).map(|number| copy("api", number)).chain((0..100).map(|number| copy("web", number))).collect();
    let pods = PodsTable::of(&snapshot, &PodsView::from(query("group=service")));
    let reported: Vec<_> = pods.groups.iter().map(|group| (&*group.heading.as_ref().unwrap().title, group.pods.len())).collect();
    assert_eq!(reported, [("api, 150 pods", 150), ("web, 100 pods", 50)]);
}

#[test]
fn pods_that_exaggerate_are_added_up_all_the_same() {
    let mut snapshot = sample::snapshot();
    for resources in snapshot.pods.iter_mut().filter_map(|pod| pod.resources.as_mut()) {
        (resources.memory_bytes, resources.memory_limit_bytes) = (u64::MAX, u64::MAX);
    }
    assert_eq!(PodsTable::of(&snapshot, &PodsView::default()).tiles.memory.now, number::memory(u64::MAX));
}

#[test]
fn a_pod_that_cannot_be_measured_is_shown_as_unknown_and_not_as_0() {
    let mut snapshot = sample::snapshot();
    for pod in &mut snapshot.pods {
        pod.resources = Some(Resources::default());
    }
    let pods = PodsTable::of(&snapshot, &PodsView::default());
    let missing = Quantity::missing();
    assert_eq!([&pods.tiles.memory.now, &pods.tiles.cpu.now], [&missing, &missing]);
    for row in rows(&pods) {
        assert_eq!([&row.memory, &row.cpu], [&missing, &missing]);
    }
}

#[test]
fn the_page_says_what_each_pod_does() {
    let html = page(&sample::snapshot(), "");
    assert!(html.contains("legacy-2") && html.contains("of 256 MiB") && html.contains("1 silent for 14 s"));
    assert_eq!(html.matches("<tr role=\"row\" id=").count(), 4, "a row for each pod, and one of each kind to clone");
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
