//! The metrics of endpoints, named by OpenTelemetry's conventions for HTTP servers where they define a name.

use mesh::endpoint::Endpoint;
use mesh::golden::GoldenMetrics;

use crate::page::{Exposition, Family, FamilyKind, Labels, SampleValue};

/// How response statuses are grouped into series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusDetail {
    /// One series per code.
    Codes,
    /// One series per first digit: `2xx`. With codes, a whole mesh would have too many series.
    Classes,
}

/// The metric families of endpoints.
#[derive(Debug)]
pub struct EndpointFamilies {
    statuses: StatusDetail,
    duration: Family,
    active: Family,
    request_size: Family,
    response_size: Family,
    requests: Family,
    by_rule: Family,
    failed: Family,
}

impl EndpointFamilies {
    /// Creates the families without series.
    pub fn new(statuses: StatusDetail) -> Self {
        let counter = |name, help| Family::new(FamilyKind::Counter, name, help);
        let histogram = |name, help| Family::new(FamilyKind::Histogram, name, help);
        Self {
            statuses,
            duration: histogram(
                "http_server_request_duration_seconds",
                "From the request's head to the response's last byte. Requests that a rule answered, and those whose client disconnected, are not timed.",
            ),
            active: Family::new(FamilyKind::Gauge, "http_server_active_requests", "Requests in flight."),
            request_size: histogram(
                "http_server_request_body_size_bytes",
                "Bytes of request bodies: how many requests, and the sum.",
            ),
            response_size: histogram(
                "http_server_response_body_size_bytes",
                "Bytes of response bodies: how many responses, and the sum.",
            ),
            requests: counter("sitio_requests", "Requests by status, including those that a rule answered."),
            by_rule: counter("sitio_requests_answered_by_rule", "Requests that a rule answered in the service's place."),
            failed: counter(
                "sitio_requests_failed",
                "Requests that failed: a 5xx, or no response. A rule's 503 is not a failure.",
            ),
        }
    }

    /// Adds an endpoint. The labels in `whose` come before its own.
    pub fn add(&mut self, whose: &Labels, endpoint: &Endpoint, golden: &GoldenMetrics, in_flight: u64) {
        let mut labels = whose.clone();
        labels.push(("http_request_method", endpoint.method().to_owned()));
        labels.push(("http_route", endpoint.route().to_owned()));
        self.duration.add(labels.clone(), SampleValue::Durations(golden.latency.clone(), golden.total_us));
        self.active.add(labels.clone(), SampleValue::Whole(in_flight));
        self.request_size.add(labels.clone(), SampleValue::Sizes(golden.hits, golden.bytes_in));
        self.response_size.add(labels.clone(), SampleValue::Sizes(golden.hits, golden.bytes_out));
        for (label, status, count) in self.statuses.of(golden) {
            let mut labels = labels.clone();
            labels.push((label, status));
            self.requests.add(labels, SampleValue::Count(count));
        }
        self.by_rule.add(labels.clone(), SampleValue::Count(golden.by_rule));
        self.failed.add(labels, SampleValue::Count(golden.failures()));
    }

    /// Adds all families to a page.
    pub fn put_on(self, page: &mut Exposition) {
        let Self { statuses: _, duration, active, request_size, response_size, requests, by_rule, failed } = self;
        for family in [duration, active, request_size, response_size, requests, by_rule, failed] {
            page.push(family);
        }
    }
}

impl StatusDetail {
    fn of(self, golden: &GoldenMetrics) -> Vec<(&'static str, String, u64)> {
        let codes = golden.statuses().iter();
        match self {
            Self::Codes => codes.map(|(code, count)| ("http_response_status_code", code.to_string(), *count)).collect(),
            Self::Classes => {
                // 0 means no status, or a code that exceeds the limit.
                let of_class = |class: u16| (class, golden.class(class));
                let classes = (0..10).map(of_class).filter(|(_, count)| *count > 0);
                let name = |class| if class == 0 { "other".to_owned() } else { format!("{class}xx") };
                classes.map(|(class, count)| ("http_response_status_class", name(class), count)).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Format;

    #[test]
    fn every_request_has_a_status_or_a_class() {
        let mut golden = GoldenMetrics::default();
        (golden.hits, golden.by_rule) = (7, 1);
        for (status, count) in [(0, 1), (200, 3), (204, 1), (503, 2)] {
            golden.add_status(status, count);
        }
        let text = |statuses| {
            let mut endpoints = EndpointFamilies::new(statuses);
            let whose = vec![("service_name", "shop".to_owned())];
            endpoints.add(&whose, &Endpoint::named("GET", "/a").unwrap(), &golden, 2);
            let mut page = Exposition::default();
            endpoints.put_on(&mut page);
            String::from_utf8(page.encode(Format::Text)).unwrap()
        };
        let labels = "service_name=\"shop\",http_request_method=\"GET\",http_route=\"/a\"";
        let codes = text(StatusDetail::Codes);
        for (code, count) in [("0", 1), ("200", 3), ("204", 1), ("503", 2)] {
            let line = format!("sitio_requests_total{{{labels},http_response_status_code=\"{code}\"}} {count}\n");
            assert!(codes.contains(&line), "{line} is missing in {codes}");
        }
        assert!(codes.contains(&format!("http_server_active_requests{{{labels}}} 2\n")), "{codes}");
        let classes = text(StatusDetail::Classes);
        for (class, count) in [("other", 1), ("2xx", 4), ("5xx", 2)] {
            let line = format!("sitio_requests_total{{{labels},http_response_status_class=\"{class}\"}} {count}\n");
            assert!(classes.contains(&line), "{line} is missing in {classes}");
        }
    }
}
