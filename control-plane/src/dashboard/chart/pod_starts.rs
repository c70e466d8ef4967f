//! Annotations of pods that started: how many, whether they replaced others, and a change of the sidecar's version.

use crate::dashboard::chart::annotations::Mark;
use crate::model::pod::PodState;
use crate::query::snapshot::PodRow;
use format::number;

/// Pods that start within this time of each other are one annotation: a rollout takes a pod at a time.
const TOGETHER_MS: u64 = 120_000;

/// The starts of a service's pods, oldest first. The service's own first start is not among them; `first_seen_ms` is its
/// first known request, since pods that are gone are forgotten after a while.
pub fn pod_starts<'a>(pods: impl Iterator<Item = &'a PodRow>, first_seen_ms: Option<u64>) -> Vec<Mark> {
    let mut pods: Vec<&PodRow> = pods.collect();
    pods.sort_by_key(|pod| pod.started_ms);
    let mut marks = Vec::new();
    let mut older = 0;
    for started in pods.chunk_by(|one, next| next.started_ms - one.started_ms <= TOGETHER_MS) {
        let at_ms = started[0].started_ms;
        let is_known_before = older > 0 || first_seen_ms.is_some_and(|seen_ms| seen_ms + TOGETHER_MS < at_ms);
        if is_known_before || started.iter().any(|pod| pod.version_before.is_some()) {
            marks.push(mark(started, &pods[..older]));
        }
        older += started.len();
    }
    marks
}

fn mark(started: &[&PodRow], older: &[&PodRow]) -> Mark {
    let what = what(started, older);
    let (name, words) = match version_change(started, older) {
        Some((before, after)) => (format!("{what}, new sidecar"), format!("{what}, sidecar {before} → {after}")),
        None => (what.clone(), what),
    };
    Mark { at_ms: started[0].started_ms, name, words, kind: "pods" }
}

/// What happened: pods started, were restarted in place, or replaced others.
fn what(started: &[&PodRow], older: &[&PodRow]) -> String {
    let pods = number::plural(started.len(), "pod", "pods");
    if started.iter().all(|pod| pod.version_before.is_some()) {
        return format!("{pods} restarted");
    }
    let (first_ms, last_ms) = (started[0].started_ms, started[started.len() - 1].started_ms);
    let near = first_ms.saturating_sub(TOGETHER_MS)..=last_ms.saturating_add(TOGETHER_MS);
    let ended = older.iter().filter(|pod| pod.state == PodState::Gone && near.contains(&pod.last_message_ms)).count();
    match ended {
        0 => format!("{pods} started"),
        ended if ended < started.len() => format!("{pods} started, {} ended", number::count(ended as u64)),
        _ => format!("{pods} replaced"),
    }
}

/// The sidecar's version before and after, if no pod that was there before ran the new one.
fn version_change<'a>(started: &[&'a PodRow], older: &[&'a PodRow]) -> Option<(&'a str, &'a str)> {
    let first_ms = started[0].started_ms;
    let was_there = |pod: &&&PodRow| pod.state != PodState::Gone || pod.last_message_ms.saturating_add(TOGETHER_MS) >= first_ms;
    let mut before: Vec<&str> = older.iter().filter(was_there).map(|pod| pod.workload.version.as_str()).collect();
    if before.is_empty() {
        before.extend(older.last().map(|pod| pod.workload.version.as_str()));
    }
    before.extend(started.iter().filter_map(|pod| pod.version_before.as_deref()));
    before.retain(|version| !version.is_empty());
    let after = started.iter().rev().map(|pod| pod.workload.version.as_str());
    let after = after.filter(|version| !version.is_empty()).find(|version| !before.contains(version))?;
    Some((before.last()?, after))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::dashboard::sample;
    use crate::dashboard::sample::NOW_MS;

    /// A pod that started this many seconds ago.
    fn pod(ago_s: u64, version: &str) -> PodRow {
        let mut pod = sample::snapshot().pods.remove(0);
        Arc::make_mut(&mut pod.workload).version = version.into();
        pod.started_ms = NOW_MS - ago_s * 1000;
        pod
    }

    /// A pod whose last message was this many seconds ago.
    fn gone(ago_s: u64, last_s: u64, version: &str) -> PodRow {
        PodRow { state: PodState::Gone, last_message_ms: NOW_MS - last_s * 1000, ..pod(ago_s, version) }
    }

    /// When the marks are, in seconds before now, and what they say.
    fn marks(pods: &[PodRow], first_seen_s: Option<u64>) -> Vec<(u64, String)> {
        let marks = pod_starts(pods.iter(), first_seen_s.map(|ago_s| NOW_MS - ago_s * 1000));
        assert!(marks.iter().all(|mark| mark.kind == "pods"), "{marks:?}");
        marks.into_iter().map(|mark| ((NOW_MS - mark.at_ms) / 1000, mark.words)).collect()
    }

    fn said(at_s: u64, words: &str) -> Vec<(u64, String)> {
        vec![(at_s, words.into())]
    }

    #[test]
    fn pods_that_were_replaced_are_one_mark() {
        let before = [gone(7200, 290, "0.1.0"), gone(7200, 180, "0.1.0"), gone(7200, 60, "0.1.0")];
        let after = [pod(110, "0.1.0"), pod(300, "0.1.0"), pod(200, "0.1.0")];
        let pods = [&before[..], &after[..]].concat();
        assert_eq!(marks(&pods, None), said(300, "3 pods replaced"), "at the first of them");
        assert_eq!(marks(&pods[1..], None), said(300, "3 pods started, 2 ended"));
        assert_eq!(marks(&[pod(7200, "0.1.0"), pod(300, "0.1.0")], None), said(300, "1 pod started"), "one more than before");
        let long_ago = gone(7200, 3000, "0.1.0");
        assert_eq!(marks(&[long_ago, pod(300, "0.1.0")], None), said(300, "1 pod started"), "another event ended the old one");
        let apart = [pod(7200, "0.1.0"), pod(600, "0.1.0"), pod(300, "0.1.0")];
        assert_eq!(marks(&apart, None), [said(600, "1 pod started"), said(300, "1 pod started")].concat());
    }

    #[test]
    fn a_new_version_is_named_with_the_old_one() {
        let rollout = [gone(7200, 290, "0.1.0"), gone(7200, 250, "0.1.0"), pod(300, "0.2.0"), pod(260, "0.2.0")];
        assert_eq!(marks(&rollout, None), said(300, "2 pods replaced, sidecar 0.1.0 → 0.2.0"));
        assert_eq!(pod_starts(rollout.iter(), None)[0].name, "2 pods replaced, new sidecar");

        let back = [gone(7200, 4000, "0.1.0"), gone(4000, 290, "0.2.0"), pod(300, "0.1.0")];
        assert_eq!(marks(&back, None).pop(), said(300, "1 pod replaced, sidecar 0.2.0 → 0.1.0").pop(), "back to an older one");
        let mixed = [pod(7200, "0.1.0"), pod(7000, "0.2.0"), pod(300, "0.1.0")];
        assert_eq!(marks(&mixed, None).pop(), said(300, "1 pod started").pop(), "both were there");
        assert_eq!(marks(&[pod(7200, ""), pod(300, "0.2.0")], None), said(300, "1 pod started"), "the old one is not known");
    }

    #[test]
    fn a_restart_in_place_is_named_as_one() {
        let restarted = |version: &str| PodRow { version_before: Some("0.1.0".into()), ..pod(300, version) };
        assert_eq!(marks(&[restarted("0.1.0")], None), said(300, "1 pod restarted"));
        assert_eq!(marks(&[restarted("0.2.0")], None), said(300, "1 pod restarted, sidecar 0.1.0 → 0.2.0"));
    }

    #[test]
    fn the_first_start_of_a_service_is_no_mark() {
        let first = [pod(300, "0.1.0"), pod(250, "0.1.0")];
        assert_eq!(marks(&first, Some(240)), []);
        assert_eq!(marks(&first, None), []);
        assert_eq!(marks(&[], Some(240)), []);
        // The pods before these are forgotten, and their requests are not.
        assert_eq!(marks(&first, Some(86_400)), said(300, "2 pods started"));
    }
}
