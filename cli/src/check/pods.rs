//! Checks the pods: silent ones, those near a resource limit, and those behind in version or rules.

use api::client::failure::Failure;
use api::pods::{Pod, PodState, Pods};

use format::number;

use crate::check::findings::Findings;
use crate::moment;
use crate::pods::{is_clock_wrong, is_near_limit};

/// The number of pods that a finding names.
const NAMED_MAX: usize = 8;

/// CPU throttling in thousandths of each second from which a pod is reported.
const THROTTLED_MILLI: u64 = 100;

pub(super) fn look(pods: &Result<Pods, Failure>, findings: &mut Findings) {
    match pods {
        Ok(pods) => judge(pods, findings),
        Err(failure) => findings.failed(failure),
    }
}

fn judge(pods: &Pods, findings: &mut Findings) {
    let there: Vec<_> = pods.pods.iter().filter(|pod| pod.state != PodState::Gone).collect();
    if there.is_empty() {
        findings.warning(
            "no pod is attached",
            "set SITIO_CONTROL_PLANE on a sidecar (the address of the stream, port 8091), or start a program with `sitio run`",
        );
        return;
    }
    let of = |is: &dyn Fn(&Pod) -> bool| -> Vec<&Pod> { there.iter().copied().filter(|pod| is(pod)).collect() };
    let silent = of(&|pod| pod.state == PodState::Silent);
    if silent.is_empty() {
        findings.fine(format!("{} reporting", number::plural(there.len(), "pod is", "pods are")));
    } else {
        let taken_ms = moment::unix_ms(&pods.taken_at).unwrap_or_else(moment::now_ms);
        let last = silent.iter().map(|pod| moment::ago(Some(&pod.heard_at), taken_ms)).next().unwrap_or_default();
        let what = format!("silent, {} last report {last} ago: {}", number::plural(silent.len(), "pod", "pods"), names(&silent));
        findings.error(
            what,
            "see whether they run (their log, `/readyz` on port 9191) and can reach the control plane; their rules stay in force",
        );
    }
    each(&of(&|pod| is_near_limit(pod)), findings, "near the memory limit", "raise the limit, or look for what fills it");
    each(
        &of(&|pod| pod.claimants > 1),
        findings,
        "reporting under a POD_UID that another process has, too",
        "give each pod a POD_UID of its own, or look for what pretends to be it: the requests of every process are counted",
    );
    let is_throttled = |pod: &Pod| pod.resources.is_some_and(|used| used.throttled_milli >= THROTTLED_MILLI);
    each(&of(&is_throttled), findings, "waiting for the processor, their limit is used up", "raise the limit of cpu");
    each(
        &of(&|pod| pod.connected && is_clock_wrong(pod)),
        findings,
        "with a clock over 5 s off the control plane's",
        "set the clock of the node by NTP: rules last as long as they should all the same, but the pod's own logs and traces are off; `sitio pods -o wide` shows by how much",
    );
    for pod in of(&|pod| pod.refused.is_some()) {
        let Some(refused) = &pod.refused else { continue };
        let what = format!(
            "{} of {} refused and not counted, the last one because {}",
            number::plural(refused.times as usize, "message", "messages"),
            pod.pod,
            refused.why
        );
        findings.warning(what, "update the sidecar, and look whether something else holds its token: a sidecar of this version sends nothing of the kind");
    }
    let ours = env!("CARGO_PKG_VERSION");
    let is_other = |pod: &Pod| !pod.version.is_empty() && pod.version != ours;
    each(&of(&is_other), findings, &format!("of another sidecar version than {ours}"), "update them when it suits");
    let behind = of(&Pod::is_behind);
    if behind.is_empty() {
        findings.fine(format!("all that are attached have confirmed their rules, the newest of revision {}", pods.revision));
    } else {
        each(&behind, findings, "behind in the rules", "`sitio rules` shows which they have not confirmed, and why");
    }
}

fn each(pods: &[&Pod], findings: &mut Findings, what: &str, next: &str) {
    if !pods.is_empty() {
        findings.warning(format!("{what}, {}: {}", number::plural(pods.len(), "pod", "pods"), names(pods)), next);
    }
}

fn names(pods: &[&Pod]) -> String {
    let mut names: Vec<_> = pods.iter().take(NAMED_MAX).map(|pod| pod.pod.clone()).collect();
    if pods.len() > NAMED_MAX {
        names.push(format!("{} more", pods.len() - NAMED_MAX));
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use api::pods::{ConfirmedRevision, PodResources, RefusedMessages};

    use super::*;
    use crate::check::findings::Severity;
    use crate::color::ColorMode;
    use crate::sample::pod;

    fn judged(pods: Vec<Pod>) -> (Severity, String) {
        let mut findings = Findings::default();
        judge(&Pods { taken_at: "2025-11-20T14:00:40Z".into(), revision: 3, pods }, &mut findings);
        (findings.worst(), findings.words(ColorMode::Plain))
    }

    fn at(revision: u64) -> ConfirmedRevision {
        ConfirmedRevision { revision, took_ms: 1 }
    }

    #[test]
    fn healthy_pods_are_fine() {
        assert_eq!(judged(vec![pod("a"), Pod { state: PodState::Gone, ..pod("b") }]).0, Severity::Fine);
        assert_eq!(judged(vec![Pod { clock_offset_ms: Some(4_900), ..pod("a") }]).0, Severity::Fine);
        assert_eq!(judged(vec![]).0, Severity::Warning);
    }

    #[test]
    fn a_silent_pod_is_an_error_and_is_named() {
        let (level, words) = judged(vec![pod("a"), Pod { state: PodState::Silent, ..pod("b-7") }]);
        assert!(level == Severity::Error && words.contains("1 pod last report 40 s ago: b-7"), "{words}");
    }

    #[test]
    fn a_pod_without_the_rules_of_other_services_is_not_behind() {
        let (level, words) = judged(vec![Pod { revision_wanted: 2, confirmed: Some(at(2)), ..pod("a") }]);
        assert!(level == Severity::Fine && words.contains("have confirmed their rules"), "{words}");
        assert_eq!(judged(vec![Pod { revision_wanted: 0, confirmed: None, ..pod("a") }]).0, Severity::Fine);
    }

    #[test]
    fn what_was_refused_is_a_warning_with_the_reason() {
        let why = "the counts of GET /a are impossible: a number is over 2^50".to_owned();
        let refused = Some(RefusedMessages { times: 3, at: "2025-11-20T14:00:00Z".into(), why });
        let (level, words) = judged(vec![Pod { refused, ..pod("x") }]);
        assert_eq!(level, Severity::Warning);
        assert!(words.contains("3 messages of x refused") && words.contains("over 2^50"), "{words}");
    }

    #[test]
    fn what_is_behind_or_nearly_full_is_a_warning() {
        let used = PodResources {
            memory_bytes: 95,
            memory_limit_bytes: 100,
            cpu_milli: 0,
            cpu_limit_milli: 0,
            throttled_milli: 500,
            connections: 0,
        };
        for (strange, word) in [
            (Pod { resources: Some(used), ..pod("x") }, "near the memory limit, 1 pod: x"),
            (Pod { resources: Some(used), ..pod("x") }, "waiting for the processor"),
            (Pod { claimants: 2, ..pod("x") }, "reporting under a POD_UID that another process has, too, 1 pod: x"),
            (Pod { version: "0.0.1".into(), ..pod("x") }, "another sidecar version"),
            (Pod { clock_offset_ms: Some(-5_001), ..pod("x") }, "with a clock over 5 s off the control plane's, 1 pod: x"),
            (Pod { confirmed: Some(at(2)), ..pod("x") }, "behind in the rules"),
            (Pod { confirmed: None, ..pod("x") }, "behind in the rules"),
        ] {
            let (level, words) = judged(vec![strange]);
            assert!(level == Severity::Warning && words.contains(word), "{word}: {words}");
        }
    }
}
