//! Converts the ledger to OpenTelemetry metrics by the semantic conventions; histograms are exported unchanged.

use mesh::endpoint::Endpoint;
use mesh::golden::GoldenMetrics;
use mesh::histogram::{INDEX_MIN, SCALE};

use crate::export::otlp::messages::{
    Buckets, CUMULATIVE, Data, Exponential, ExponentialPoint, Histogram, HistogramPoint, KeyValue, Metric, NumberPoint, Sum,
};
use crate::ledger::{Ledger, LedgerRow};

/// The interval in which the numbers were counted, in nanoseconds since the Unix epoch.
#[derive(Debug, Clone, Copy)]
pub(super) struct CountedInterval {
    pub(super) from_ns: u64,
    pub(super) to_ns: u64,
}

impl CountedInterval {
    /// All metrics of all endpoints.
    pub(super) fn metrics(self, ledger: &Ledger) -> Vec<Metric> {
        let rows: Vec<(Vec<KeyValue>, &LedgerRow)> = ledger.rows().map(|(endpoint, row)| (attributes(endpoint), row)).collect();
        let durations = rows.iter().map(|(attributes, row)| self.duration(attributes, &row.total)).collect();
        let sizes = |bytes: fn(&GoldenMetrics) -> u64| {
            let data_points = rows.iter().map(|(attributes, row)| self.sizes(attributes, row.total.hits, bytes(&row.total)));
            Data::Histogram(Histogram { data_points: data_points.collect(), aggregation_temporality: CUMULATIVE })
        };
        let active = rows.iter().map(|(attributes, row)| self.number(attributes.clone(), u64::from(row.in_flight))).collect();
        let exponential = Exponential { data_points: durations, aggregation_temporality: CUMULATIVE };
        vec![
            metric("http.server.request.duration", "s", Data::Exponential(exponential)),
            metric("http.server.active_requests", "{request}", sum(active, Grows::AndShrinks)),
            metric("http.server.request.body.size", "By", sizes(|golden| golden.bytes_in)),
            metric("http.server.response.body.size", "By", sizes(|golden| golden.bytes_out)),
            metric("sitio.requests", "{request}", sum(self.statuses(&rows), Grows::Only)),
        ]
    }

    fn statuses(self, rows: &[(Vec<KeyValue>, &LedgerRow)]) -> Vec<NumberPoint> {
        let of_row = |(attributes, row): &(Vec<KeyValue>, &LedgerRow)| {
            let of_status = |(status, count): &(u16, u64)| {
                let mut attributes = attributes.clone();
                attributes.push(KeyValue::whole("http.response.status_code", u64::from(*status)));
                self.number(attributes, *count)
            };
            row.total.statuses().iter().map(of_status).collect::<Vec<_>>()
        };
        rows.iter().flat_map(of_row).collect()
    }

    fn duration(self, attributes: &[KeyValue], golden: &GoldenMetrics) -> ExponentialPoint {
        let latency = &golden.latency;
        let offset = latency.buckets().next().map_or(0, |(index, _)| index);
        let mut bucket_counts: Vec<u64> = Vec::new();
        for (index, count) in latency.buckets() {
            bucket_counts.resize((index - offset) as usize, 0);
            bucket_counts.push(count);
        }
        let count = latency.count();
        ExponentialPoint {
            attributes: attributes.to_vec(),
            start_time_unix_nano: self.from_ns,
            time_unix_nano: self.to_ns,
            count,
            sum: Some(golden.total_us as f64 / 1e6),
            scale: SCALE as i32,
            zero_count: latency.zeros(),
            positive: (!bucket_counts.is_empty()).then_some(Buckets { offset, bucket_counts }),
            max: (count > 0).then_some(golden.max_us as f64 / 1e6),
            // Where the lowest bucket begins: every shorter duration counts as zero.
            zero_threshold: (f64::from(INDEX_MIN) / f64::from(1 << SCALE)).exp2(),
        }
    }

    /// A histogram with one bucket for everything, since only the count and the sum are known.
    fn sizes(self, attributes: &[KeyValue], count: u64, bytes: u64) -> HistogramPoint {
        HistogramPoint {
            attributes: attributes.to_vec(),
            start_time_unix_nano: self.from_ns,
            time_unix_nano: self.to_ns,
            count,
            sum: Some(bytes as f64),
            bucket_counts: vec![count],
        }
    }

    fn number(self, attributes: Vec<KeyValue>, value: u64) -> NumberPoint {
        let as_int = Some(i64::try_from(value).unwrap_or(i64::MAX));
        NumberPoint { attributes, start_time_unix_nano: self.from_ns, time_unix_nano: self.to_ns, as_int }
    }
}

/// Whether a sum is monotonic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grows {
    Only,
    AndShrinks,
}

fn sum(data_points: Vec<NumberPoint>, grows: Grows) -> Data {
    Data::Sum(Sum { data_points, aggregation_temporality: CUMULATIVE, is_monotonic: grows == Grows::Only })
}

fn metric(name: &str, unit: &str, data: Data) -> Metric {
    Metric { name: name.to_owned(), description: String::new(), unit: unit.to_owned(), data: Some(data) }
}

fn attributes(endpoint: &Endpoint) -> Vec<KeyValue> {
    vec![KeyValue::text("http.request.method", endpoint.method()), KeyValue::text("http.route", endpoint.route())]
}
