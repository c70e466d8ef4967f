//! Tells the numbers to Prometheus, under OpenTelemetry's names where it has one.

use std::fmt::{self, Write};
use std::sync::atomic::Ordering::Relaxed;

use mesh::endpoint::Endpoint;
use mesh::histogram::{Histogram, SCALE};
use mesh::workload::Workload;

use crate::ledger::{Ledger, Row};
use crate::link::meter::LinkNumbers;
use crate::worker::tally::Tally;

/// The bounds of the latency buckets, as powers of two of microseconds: 128 µs to 67 s, each twice the one before.
/// Ours are finer and these are among their bounds, so no count is on the wrong side of one.
const BOUNDS_LOG2: std::ops::RangeInclusive<i32> = 7..=26;

/// The type that Prometheus asks for (Prometheus, "Exposition formats", text version 0.0.4).
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Everything, as text.
pub fn text(ledger: &Ledger, workload: &Workload, link: LinkNumbers, tally: &Tally) -> String {
    let mut text = Text(String::new());
    let written = exchanges(&mut text, ledger)
        .and_then(|()| container(&mut text, ledger))
        .and_then(|()| turned_away(&mut text, tally))
        .and_then(|()| sidecar(&mut text, workload, link));
    written.expect("writing to a String does not fail");
    text.0
}

fn exchanges(text: &mut Text, ledger: &Ledger) -> fmt::Result {
    let help = "From the request's head to the response's last byte, of exchanges that the service answered.";
    text.family("http_server_request_duration_seconds", "histogram", help)?;
    for (endpoint, row) in ledger.rows() {
        duration(text, endpoint, row)?;
    }
    text.family("http_server_active_requests", "gauge", "Exchanges under way.")?;
    for (endpoint, row) in ledger.rows() {
        text.line("http_server_active_requests", &labels(endpoint), row.in_flight)?;
    }
    text.family("sitio_requests_total", "counter", "Exchanges, those answered by a rule included.")?;
    for (endpoint, row) in ledger.rows() {
        for (status, count) in row.total.statuses() {
            let labels = format!("{},http_response_status_code=\"{status}\"", labels(endpoint));
            text.line("sitio_requests_total", &labels, count)?;
        }
    }
    per_endpoint(text, ledger, "sitio_requests_answered_by_rule_total", "Exchanges that a rule answered.", |row| {
        row.total.by_rule
    })?;
    per_endpoint(text, ledger, "sitio_request_body_bytes_total", "Bytes of request bodies.", |row| row.total.bytes_in)?;
    per_endpoint(text, ledger, "sitio_response_body_bytes_total", "Bytes of response bodies.", |row| row.total.bytes_out)
}

fn duration(text: &mut Text, endpoint: &Endpoint, row: &Row) -> fmt::Result {
    let (name, labels) = ("http_server_request_duration_seconds", labels(endpoint));
    let latency = &row.total.latency;
    for log2 in BOUNDS_LOG2 {
        let bound = f64::from(log2).exp2() / 1e6;
        text.line(&format!("{name}_bucket"), &format!("{labels},le=\"{bound}\""), up_to(latency, log2))?;
    }
    text.line(&format!("{name}_bucket"), &format!("{labels},le=\"+Inf\""), latency.count())?;
    text.line(&format!("{name}_sum"), &labels, row.total.total_us as f64 / 1e6)?;
    text.line(&format!("{name}_count"), &labels, latency.count())
}

/// Values of at most 2^`log2` µs. A bucket ends at 2^((index + 1) / 2^SCALE), which is among what it holds.
fn up_to(latency: &Histogram, log2: i32) -> u64 {
    let counted = latency.buckets().take_while(|(index, _)| *index < log2 << SCALE).map(|(_, count)| count);
    latency.zeros() + counted.sum::<u64>()
}

fn container(text: &mut Text, ledger: &Ledger) -> fmt::Result {
    let resources = ledger.resources().unwrap_or_default();
    text.gauge("sitio_connections", "Downstream connections open.", resources.connections)?;
    text.gauge("sitio_memory_bytes", "Memory in use by the container.", resources.memory_bytes)?;
    text.gauge("sitio_memory_limit_bytes", "Memory allowed to it; 0 without a limit.", resources.memory_limit_bytes)?;
    text.gauge("sitio_cpu_cores", "Processor time used per second.", f64::from(resources.cpu_milli) / 1e3)?;
    text.gauge("sitio_cpu_limit_cores", "Processor time allowed; 0 without a limit.", f64::from(resources.cpu_limit_milli) / 1e3)
}

fn turned_away(text: &mut Text, tally: &Tally) -> fmt::Result {
    let counters = [
        ("sitio_requests_refused_total", "Requests refused before they had an endpoint.", &tally.refused),
        ("sitio_connections_turned_away_total", "Connections turned away because there were too many.", &tally.overloaded),
        ("sitio_decorator_panics_total", "Hooks of decorators that failed and were passed over.", &tally.panics),
    ];
    counters.into_iter().try_for_each(|(name, help, count)| text.counter(name, help, count.load(Relaxed)))
}

fn sidecar(text: &mut Text, workload: &Workload, link: LinkNumbers) -> fmt::Result {
    text.gauge("sitio_link_up", "Whether the stream to the control plane is open.", u8::from(link.is_up))?;
    text.counter("sitio_link_dials_total", "Attempts to open it.", link.dials)?;
    text.counter("sitio_link_reports_total", "Reports sent.", link.reports)?;
    text.counter("sitio_link_reports_put_off_total", "Reports put off because the stream was busy.", link.put_off)?;
    text.gauge("sitio_rules", "Rules in force for this pod.", link.rules)?;
    text.counter("sitio_rules_refused_total", "Sets of rules refused.", link.refused)?;
    text.family("sitio_build_info", "gauge", "Which sidecar this is.")?;
    let Workload { namespace, service, pod, version, .. } = workload;
    let [namespace, service, pod, version] = [namespace, service, pod, version].map(|value| escaped(value));
    let labels = format!("version=\"{version}\",namespace=\"{namespace}\",service=\"{service}\",pod=\"{pod}\"");
    text.line("sitio_build_info", &labels, 1)
}

fn per_endpoint(text: &mut Text, ledger: &Ledger, name: &str, help: &str, value: fn(&Row) -> u64) -> fmt::Result {
    text.family(name, "counter", help)?;
    ledger.rows().try_for_each(|(endpoint, row)| text.line(name, &labels(endpoint), value(row)))
}

fn labels(endpoint: &Endpoint) -> String {
    let (method, route) = (escaped(endpoint.method()), escaped(endpoint.route()));
    format!("http_request_method=\"{method}\",http_route=\"{route}\"")
}

/// What a stranger put into a path must not end a label.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Text under way.
struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) -> fmt::Result {
        writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}")
    }

    fn line(&mut self, name: &str, labels: &str, value: impl fmt::Display) -> fmt::Result {
        writeln!(self.0, "{name}{{{labels}}} {value}")
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl fmt::Display) -> fmt::Result {
        self.family(name, "gauge", help)?;
        writeln!(self.0, "{name} {value}")
    }

    fn counter(&mut self, name: &str, help: &str, value: impl fmt::Display) -> fmt::Result {
        self.family(name, "counter", help)?;
        writeln!(self.0, "{name} {value}")
    }
}

#[cfg(test)]
mod tests;
