//! One page of metrics: families of series, told in whichever format was asked for.

use std::fmt;
use std::mem;

use mesh::histogram::Histogram;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, prometheus_protobuf, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use crate::buckets::{self, Native};
use crate::format::Format;

mod classic_text;

/// Why telling a page does not fail.
const NEVER: &str = "labels and numbers can always be told";

/// The labels of a series, in their order.
pub type Labels = Vec<(&'static str, String)>;

/// A page under way.
#[derive(Debug, Default)]
pub struct Page {
    families: Vec<Family>,
}

/// The series of one name.
#[derive(Debug)]
pub struct Family {
    name: &'static str,
    help: &'static str,
    kind: Kind,
    series: Vec<(Labels, Value)>,
}

/// What the values of a family are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// They only grow. The family's name is told with `_total` behind it.
    Counter,
    /// They come and go.
    Gauge,
    /// They are distributions.
    Histogram,
}

/// A value.
#[derive(Debug, Clone)]
pub enum Value {
    /// Of a counter.
    Count(u64),
    /// Of a gauge, where it is a whole number.
    Whole(u64),
    /// Of a gauge, where it is not.
    Real(f64),
    /// Of a histogram of durations: how long each took, and all together in microseconds.
    Durations(Histogram, u64),
    /// Of a histogram of sizes of which the single ones are not known: how many there were, and all together in bytes.
    Sizes(u64, u64),
}

impl Page {
    /// A family of which there are several series. One that stays empty is not told.
    pub fn family(&mut self, kind: Kind, name: &'static str, help: &'static str) -> &mut Family {
        self.families.push(Family { name, help, kind, series: Vec::new() });
        self.families.last_mut().expect("one was just added")
    }

    /// Puts a family on the page that was filled elsewhere.
    pub fn push(&mut self, family: Family) {
        self.families.push(family);
    }

    /// A counter that is alone. Its name is told with `_total` behind it.
    pub fn counter(&mut self, name: &'static str, help: &'static str, count: u64) {
        self.family(Kind::Counter, name, help).add(Vec::new(), Value::Count(count));
    }

    /// A gauge that is alone, of whole numbers.
    pub fn gauge(&mut self, name: &'static str, help: &'static str, value: u64) {
        self.family(Kind::Gauge, name, help).add(Vec::new(), Value::Whole(value));
    }

    /// A gauge that is alone.
    pub fn real(&mut self, name: &'static str, help: &'static str, value: f64) {
        self.family(Kind::Gauge, name, help).add(Vec::new(), Value::Real(value));
    }

    /// The page in that format.
    pub fn told(mut self, format: Format) -> Vec<u8> {
        self.families.retain(|family| !family.series.is_empty());
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut told = String::new();
        match format {
            Format::Protobuf => return prometheus_protobuf::encode_to_vec(&registry).expect(NEVER),
            Format::OpenMetrics => text::encode(&mut told, &registry).expect(NEVER),
            Format::Text => {
                text::encode_registry(&mut told, &registry).expect(NEVER);
                told = classic_text::of(&mem::take(&mut told));
            }
        }
        told.into_bytes()
    }
}

impl Family {
    /// A family that is filled before it is put on a page.
    pub fn new(kind: Kind, name: &'static str, help: &'static str) -> Self {
        Self { name, help, kind, series: Vec::new() }
    }

    /// Adds a series.
    pub fn add(&mut self, labels: Labels, value: Value) {
        self.series.push((labels, value));
    }
}

impl Collector for Page {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for family in &self.families {
            let kind = match family.kind {
                Kind::Counter => MetricType::Counter,
                Kind::Gauge => MetricType::Gauge,
                Kind::Histogram => MetricType::Histogram,
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

impl Value {
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
                Native::of(histogram).told(),
            ),
            Self::Sizes(count, bytes) => {
                metric.encode_histogram::<NoLabelSet>(*bytes as f64, *count, &buckets::unbounded(*count), None)
            }
        }
    }
}

#[cfg(test)]
mod tests;
