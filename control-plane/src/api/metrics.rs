//! `/metrics`: how the control plane itself is doing, and what it had to discard, for Prometheus.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use crate::clock::now_ms;
use crate::plane::ControlPlane;
use crate::snapshot::PodState;

/// The version of the text format (Prometheus, "Exposition formats").
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All of them.
pub(super) async fn text(State(plane): State<Arc<ControlPlane>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], page(&plane, now_ms()))
}

fn page(plane: &ControlPlane, now_ms: u64) -> String {
    let mut page = Page::default();
    let (counts, rules) = (&plane.stream_counts, plane.rules.state());
    let mut pods = BTreeMap::from([("reporting", 0), ("silent", 0), ("gone", 0)]);
    for pod in plane.fleet.pods().iter() {
        let state = match pod.seen(now_ms).state {
            PodState::Reporting => "reporting",
            PodState::Silent => "silent",
            PodState::Gone => "gone",
        };
        *pods.entry(state).or_default() += 1;
    }
    page.family("sitio_pods", "gauge", "Pods remembered, by whether they report.");
    for (state, count) in pods {
        page.value("sitio_pods", &[("state", state)], count);
    }
    page.gauge("sitio_streams_open", "Streams of sidecars that are open.", counts.open.so_far());
    page.gauge("sitio_endpoints", "Endpoints told apart.", plane.timeline.all().len() as u64);
    page.gauge("sitio_rules_in_force", "Rules in force.", rules.in_force().count() as u64);
    page.gauge("sitio_rules_revision", "The newest revision of the rules.", rules.revision);
    page.counter("sitio_audit_entries_total", "Audit entries ever written.", rules.audit_entries);
    page.gauge("sitio_taps_open", "Taps that are open.", plane.taps.count() as u64);
    page.counter("sitio_frames_total", "Frames taken in from sidecars.", counts.frames.so_far());
    page.discarded(plane);
    service_requests(&mut page, plane);
    page.text
}

/// Requests by service. By endpoint and status each sidecar tells them itself, under the names of OpenTelemetry.
fn service_requests(page: &mut Page, plane: &ControlPlane) {
    let mut services: BTreeMap<(String, String), [u64; 3]> = BTreeMap::new();
    for series in plane.timeline.all() {
        let (totals, sums) = (series.totals(), services.entry((series.namespace.clone(), series.service.clone())).or_default());
        for (sum, count) in sums.iter_mut().zip([totals.hits, totals.failed, totals.by_rule]) {
            *sum = sum.saturating_add(count);
        }
    }
    let families = [
        ("sitio_service_requests_total", "Requests, by service, those answered by a rule included."),
        ("sitio_service_failures_total", "Requests that the service failed."),
        ("sitio_service_blocked_total", "Requests that a rule answered."),
    ];
    for (at, (name, help)) in families.into_iter().enumerate() {
        page.family(name, "counter", help);
        for ((namespace, service), sums) in &services {
            page.value(name, &[("namespace", namespace), ("service", service)], sums[at]);
        }
    }
}

/// A page of metrics.
#[derive(Debug, Default)]
struct Page {
    text: String,
}

impl Page {
    fn discarded(&mut self, plane: &ControlPlane) {
        const NAME: &str = "sitio_discarded_total";
        let counts = &plane.stream_counts;
        self.family(NAME, "counter", "What was turned away or not kept, by kind.");
        for (what, count) in [
            ("frame_refused", counts.frames_refused.so_far()),
            ("frame_unread", counts.frames_unread.so_far()),
            ("report_repeated", counts.reports_repeated.so_far()),
            ("stream_without_token", counts.strangers.so_far()),
            ("stream_over_limit", counts.crowded_out.so_far()),
            ("stream_over_address_limit", counts.address_crowded.so_far()),
            ("connection_over_address_limit", counts.connections_crowded.so_far()),
            ("stream_not_newest", plane.fleet.streams_refused()),
            ("endpoint_over_limit", plane.timeline.folded()),
            ("history_reader_over_limit", plane.histories.turned_away.so_far()),
            ("history_unanswered", plane.histories.unanswered.so_far()),
            ("tap_over_limit", plane.taps.turned_away.so_far()),
            ("tap_exchange_unasked", plane.taps.unasked.so_far()),
            ("pod_forgotten", plane.fleet.pods_forgotten()),
            ("audit_entry", plane.rules.state().audit_entries.saturating_sub(crate::audit::ENTRIES_MAX)),
        ] {
            self.value(NAME, &[("what", what)], count);
        }
    }

    fn gauge(&mut self, name: &str, help: &str, value: u64) {
        self.family(name, "gauge", help);
        self.value(name, &[], value);
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.family(name, "counter", help);
        self.value(name, &[], value);
    }

    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn value(&mut self, name: &str, labels: &[(&str, &str)], value: u64) {
        let labels: Vec<_> = labels.iter().map(|(label, text)| format!("{label}=\"{}\"", escaped(text))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.text, "{name}{labels} {value}");
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_cannot_break_out_of_its_quotes() {
        let mut page = Page::default();
        page.value("a", &[("b", "x\"} 1\n# \\")], 2);
        assert_eq!(page.text, "a{b=\"x\\\"} 1\\n# \\\\\"} 2\n");
    }
}
