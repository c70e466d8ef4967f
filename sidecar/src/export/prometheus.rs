//! Renders the metrics page of this pod for Prometheus.

use std::sync::atomic::Ordering::Relaxed;

use exposition::endpoints::{EndpointFamilies, StatusDetail};
use exposition::page::{Exposition, Family, FamilyKind, SampleValue};
use mesh::comparison::Verdict;
use mesh::refusal::RefusalReason;
use mesh::rule::Action;
use mesh::rule_totals::{CircuitState, SplitSides};
use mesh::workload::Workload;

use crate::control_client::metrics::ControlClientCounts;
use crate::exchange::shared_counters::SharedCounters;
use crate::export::access_log::LineCounts;
use crate::export::otlp::Exported;
use crate::ledger::Ledger;
use crate::rulebook::TimedRule;

/// The input of the page besides the ledger.
pub struct ProcessFacts<'a> {
    /// The workload that the numbers belong to.
    pub workload: &'a Workload,
    /// Counters of the control client.
    pub control_client: ControlClientCounts,
    /// Process counts: requests refused, connections turned away, decorators skipped after a panic.
    pub counters: &'a SharedCounters,
    /// The rules in force.
    pub rules: &'a [TimedRule],
    /// Counters of the access log.
    pub access_log: &'a LineCounts,
    /// Counters of the OTLP export.
    pub exported: &'a Exported,
    /// The wall clock, in milliseconds since the Unix epoch.
    pub now_ms: u64,
}

/// Renders the whole page.
pub fn page(ledger: &mut Ledger, facts: &ProcessFacts<'_>) -> Exposition {
    let mut page = Exposition::default();
    let mut endpoints = EndpointFamilies::new(StatusDetail::Codes);
    let mut overflow = 0;
    for (endpoint, row) in ledger.rows() {
        if endpoint.is_other() {
            overflow = row.total.hits;
        }
        endpoints.add(&Vec::new(), endpoint, &row.total, u64::from(row.in_flight));
    }
    endpoints.put_on(&mut page);
    page.counter("sitio_requests_overflow", "Requests counted under (other), because there are too many endpoints.", overflow);
    container(&mut page, ledger);
    discarded(&mut page, facts);
    control_client(&mut page, facts);
    rules(&mut page, facts.rules);
    windows(&mut page, ledger, facts.now_ms);
    page
}

fn container(page: &mut Exposition, ledger: &Ledger) {
    let resources = ledger.resources().unwrap_or_default();
    page.gauge("sitio_connections", "Open downstream connections.", u64::from(resources.connections));
    page.gauge("sitio_memory_bytes", "Memory in use by the pod; 0 if it cannot be measured.", resources.memory_bytes);
    page.gauge("sitio_memory_limit_bytes", "Memory allowed to it; 0 without a limit.", resources.memory_limit_bytes);
    page.real("sitio_cpu_cores", "Processor time used per second.", f64::from(resources.cpu_milli) / 1e3);
    let limit = f64::from(resources.cpu_limit_milli) / 1e3;
    page.real("sitio_cpu_limit_cores", "Processor time allowed per second; 0 without a limit.", limit);
}

fn discarded(page: &mut Exposition, facts: &ProcessFacts<'_>) {
    let refusals = facts.counters.refusals();
    let refused =
        page.family(FamilyKind::Counter, "sitio_requests_refused", "Requests refused before they had an endpoint, by reason.");
    for reason in RefusalReason::EACH {
        refused.add(vec![("reason", reason.word().to_owned())], SampleValue::Count(refusals[reason]));
    }
    let (counters, log, exported) = (facts.counters, facts.access_log, facts.exported);
    for (name, help, count) in [
        ("sitio_connections_turned_away", "Connections refused because there were too many.", &counters.overloaded),
        ("sitio_decorator_panics", "Decorator hooks that panicked and were skipped.", &counters.panics),
        ("sitio_access_log_lines", "Exchanges written to the access log.", &log.written),
        ("sitio_otlp_spans", "Spans that the OpenTelemetry collector has accepted.", &exported.spans),
        ("sitio_otlp_spans_dropped", "Spans that were not exported.", &exported.spans_dropped),
        ("sitio_otlp_metrics_failed", "Metrics messages that the collector did not accept.", &exported.metrics_failed),
        ("sitio_access_log_left_out", "Exchanges left out of the access log: rate limit, or blocked output.", &log.left_out),
    ] {
        page.counter(name, help, count.load(Relaxed));
    }
}

fn control_client(page: &mut Exposition, facts: &ProcessFacts<'_>) {
    let client = facts.control_client;
    page.gauge("sitio_link_up", "Whether the stream to the control plane is open.", u64::from(client.is_up));
    page.counter("sitio_link_dials", "Attempts to open the stream to the control plane.", client.dials);
    page.counter("sitio_link_reports", "Reports sent.", client.reports);
    page.counter("sitio_link_reports_put_off", "Reports put off because the stream was busy.", client.put_off);
    page.gauge("sitio_rules", "Rules in force for this pod.", client.rules);
    page.counter("sitio_rules_refused", "Sets of rules refused.", client.refused);
    let Workload { namespace, service, pod, version, .. } = facts.workload;
    let whose = [("version", version), ("namespace", namespace), ("service", service), ("pod", pod)];
    let labels = whose.map(|(name, value)| (name, value.clone())).to_vec();
    page.family(FamilyKind::Gauge, "sitio_build_info", "Version and identity of this sidecar.")
        .add(labels, SampleValue::Whole(1));
}

/// What the rules that apply to some requests only, and those with decorators, have done.
fn rules(page: &mut Exposition, rules: &[TimedRule]) {
    let actions =
        page.family(FamilyKind::Counter, "sitio_rule_actions", "Exchanges on which a rule acted, would have acted, or failed.");
    for timed in rules.iter().filter(|timed| timed.rule.action != Action::Pin) {
        let (rule, totals) = (&timed.rule, timed.totals());
        for (result, count) in [("acted", totals.acted), ("shadowed", totals.shadowed), ("failed", totals.failed)] {
            let labels = [("rule", rule.id.as_str()), ("decorator", rule.kind()), ("result", result)];
            actions.add(labels.map(|(name, value)| (name, value.to_owned())).to_vec(), SampleValue::Count(count));
        }
    }
    let breakers = page.family(
        FamilyKind::Gauge,
        "sitio_circuit_breaker_open",
        "Whether the circuit breaker of a rule refuses requests: 1 if it is open, or half-open and lets only probes pass.",
    );
    for TimedRule { rule, decorator, .. } in rules {
        let Some(state) = decorator.as_ref().and_then(|decorator| decorator.circuit()) else { continue };
        breakers.add(vec![("rule", rule.id.clone())], SampleValue::Whole(u64::from(state != CircuitState::Closed)));
    }
    splits(page, rules);
}

/// Both sides of each split, and whether they differ.
fn splits(page: &mut Exposition, rules: &[TimedRule]) {
    let with_sides = |timed: &TimedRule| Some((timed.rule.id.clone(), timed.decorator.as_ref()?.sides()?));
    let splits: Vec<(String, SplitSides)> = rules.iter().filter_map(with_sides).collect();
    let mut requests = Family::new(FamilyKind::Counter, "sitio_split_requests", "Requests of each side of a split by status.");
    let help = "Latency of each side of a split.";
    let mut durations = Family::new(FamilyKind::Histogram, "sitio_split_request_duration_seconds", help);
    let help = "How often chance alone makes such a difference between the sides of a split, or a larger one.";
    let mut chances = Family::new(FamilyKind::Gauge, "sitio_split_p_value", help);
    let help = "Whether the sides of a split differ: 1 if they do, 0 if that is not shown or there is too little traffic.";
    let mut differ = Family::new(FamilyKind::Gauge, "sitio_split_differs", help);
    for (rule, sides) in splits {
        for (side, golden) in [("own", &sides.own), ("other", &sides.other)] {
            let labels = vec![("rule", rule.clone()), ("side", side.to_owned())];
            durations.add(labels.clone(), SampleValue::Durations(golden.latency.clone(), golden.total_us));
            for (status, count) in golden.statuses() {
                let mut labels = labels.clone();
                labels.push(("http_response_status_code", status.to_string()));
                requests.add(labels, SampleValue::Count(*count));
            }
        }
        let compared = sides.comparison();
        for (measure, finding) in [("errors", compared.errors), ("latency", compared.latency)] {
            let labels = vec![("rule", rule.clone()), ("measure", measure.to_owned())];
            chances.add(labels.clone(), SampleValue::Real(finding.p));
            let is_different = matches!(finding.verdict, Verdict::FirstHigher | Verdict::SecondHigher);
            differ.add(labels, SampleValue::Whole(u64::from(is_different)));
        }
    }
    for family in [requests, durations, chances, differ] {
        page.push(family);
    }
}

fn windows(page: &mut Exposition, ledger: &mut Ledger, now_ms: u64) {
    let Some(windows) = ledger.windows() else { return };
    let numbers = windows.numbers();
    let oldest_s = windows.held().next().map_or(0, |oldest| now_ms.saturating_sub(oldest.from_ms()) / 1000);
    page.gauge(
        "sitio_windows_held",
        "Windows of the durable record that the control plane has not acked.",
        windows.held().len() as u64,
    );
    page.gauge("sitio_windows_oldest_age_seconds", "Since the oldest of them began; 0 without any.", oldest_s);
    page.counter("sitio_windows_acked", "Windows that are on disk at the control plane.", numbers.acked);
    page.counter("sitio_windows_merged", "Windows merged into an earlier one, because too many were held.", numbers.merged);
    page.counter(
        "sitio_windows_lost",
        "Slots of ten seconds that were on disk once, and that an older copy of the control plane's store lacks.",
        numbers.lost,
    );
}

#[cfg(test)]
mod tests;
