//! One metrics page: families of series, encoded in the requested format.

use std::fmt;
use std::mem;

use mesh::histogram::Histogram;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, prometheus_protobuf, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use crate::buckets;
use crate::buckets::Native;
use crate::format::Format;

mod classic_text;

/// Why encoding a page does not fail.
const NEVER: &str = "labels and numbers can always be encoded";

/// The labels of a series, in order.
pub type Labels = Vec<(&'static str, String)>;

/// A metrics page that is being built.
#[derive(Debug, Default)]
pub struct Exposition {
    families: Vec<Family>,
}

/// All series with one name.
#[derive(Debug)]
pub struct Family {
    name: &'static str,
    help: &'static str,
    kind: FamilyKind,
    series: Vec<(Labels, SampleValue)>,
}

/// The type of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FamilyKind {
    /// Values that only grow. The encoders append `_total` to the family's name.
    Counter,
    /// Values that rise and fall.
    Gauge,
    /// Distributions.
    Histogram,
}

/// The value of a series.
#[derive(Debug, Clone)]
pub enum SampleValue {
    /// The value of a counter.
    Count(u64),
    /// The value of a gauge, as a whole number.
    Whole(u64),
    /// The value of a gauge, as a real number.
    Real(f64),
    /// The value of a histogram of durations: the distribution, and the sum in microseconds.
    Durations(Histogram, u64),
    /// The value of a histogram of sizes without a distribution: the count, and the sum in bytes.
    Sizes(u64, u64),
}

impl Exposition {
    /// Adds a family for several series. A family without series is not encoded.
    pub fn family(&mut self, kind: FamilyKind, name: &'static str, help: &'static str) -> &mut Family {
        self.families.push(Family { name, help, kind, series: Vec::new() });
        self.families.last_mut().expect("one was just added")
    }

    /// Adds a family that was filled elsewhere.
    pub fn push(&mut self, family: Family) {
        self.families.push(family);
    }

    /// Adds a counter with a single series. The encoders append `_total` to its name.
    pub fn counter(&mut self, name: &'static str, help: &'static str, count: u64) {
        self.family(FamilyKind::Counter, name, help).add(Vec::new(), SampleValue::Count(count));
    }

    /// Adds a gauge with a single series, with a whole number.
    pub fn gauge(&mut self, name: &'static str, help: &'static str, value: u64) {
        self.family(FamilyKind::Gauge, name, help).add(Vec::new(), SampleValue::Whole(value));
    }

    /// Adds a gauge with a single series.
    pub fn real(&mut self, name: &'static str, help: &'static str, value: f64) {
        self.family(FamilyKind::Gauge, name, help).add(Vec::new(), SampleValue::Real(value));
    }

    /// Encodes the page in this format.
    pub fn encode(mut self, format: Format) -> Vec<u8> {
        self.families.retain(|family| !family.series.is_empty());
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut reported = String::new();
        match format {
            Format::Protobuf => return prometheus_protobuf::encode_to_vec(&registry).expect(NEVER),
            Format::OpenMetrics => text::encode(&mut reported, &registry).expect(NEVER),
            Format::Text => {
                text::encode_registry(&mut reported, &registry).expect(NEVER);
                reported = classic_text::from_open_metrics(&mem::take(&mut reported));
            }
        }
        reported.into_bytes()
    }
}

impl Family {
    /// Creates a family to be filled before it is added to a page.
    pub fn new(kind: FamilyKind, name: &'static str, help: &'static str) -> Self {
        Self { name, help, kind, series: Vec::new() }
    }

    /// Adds a series.
    pub fn add(&mut self, labels: Labels, value: SampleValue) {
        self.series.push((labels, value));
    }
}

impl Collector for Exposition {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for family in &self.families {
            let kind = match family.kind {
                FamilyKind::Counter => MetricType::Counter,
                FamilyKind::Gauge => MetricType::Gauge,
                FamilyKind::Histogram => MetricType::Histogram,
            };
            let mut metric = encoder.encode_descriptor(family.name, family.help, None, kind)?;
            for (labels, value) in &family.series {
                if labels.is_empty() {
                    value.encode(&mut metric)?;
                } else {
                    value.encode(&mut metric.encode_family(labels)?)?;
                }
            }
        }
        Ok(())
    }
}

impl SampleValue {
    fn encode(&self, metric: &mut MetricEncoder<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => metric.encode_counter::<NoLabelSet, u64, f64>(count, None),
            Self::Whole(value) => metric.encode_gauge(&i64::try_from(*value).unwrap_or(i64::MAX)),
            Self::Real(value) => metric.encode_gauge(value),
            Self::Durations(histogram, total_us) => metric.encode_histogram_with_native::<NoLabelSet>(
                *total_us as f64 / 1e6,
                histogram.count(),
                &buckets::classic(histogram),
                None,
                Native::from_histogram(histogram).as_native(),
            ),
            Self::Sizes(count, bytes) => {
                metric.encode_histogram::<NoLabelSet>(*bytes as f64, *count, &buckets::unbounded(*count), None)
            }
        }
    }
}

#[cfg(test)]
mod tests;
