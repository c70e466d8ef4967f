//! Divides counts evenly over time: the parts of a whole add up to it exactly.

use mesh::golden::GoldenMetrics;

/// A part of a whole, given by its two ends.
#[derive(Debug, Clone, Copy)]
pub struct Fraction {
    /// Where the part begins.
    pub from: u64,
    /// Where the part ends.
    pub to: u64,
    /// Length of the whole.
    pub of: u64,
}

impl Fraction {
    /// Returns this part of a number.
    pub fn share(self, number: u64) -> u64 {
        let up_to = |end: u64| u128::from(number) * u128::from(end) / u128::from(self.of);
        (up_to(self.to) - up_to(self.from)) as u64
    }

    /// Returns this part of the counts. The time of an extreme value is unknown, so every part with
    /// exchanges gets it.
    pub fn metrics(self, golden: &GoldenMetrics) -> GoldenMetrics {
        let mut part = GoldenMetrics::default();
        part.hits = self.share(golden.hits);
        part.by_rule = self.share(golden.by_rule);
        part.failed = self.share(golden.failed);
        part.failed_by_sitio = self.share(golden.failed_by_sitio);
        part.total_us = self.share(golden.total_us);
        part.first_byte_total_us = self.share(golden.first_byte_total_us);
        part.bytes_in = self.share(golden.bytes_in);
        part.bytes_out = self.share(golden.bytes_out);
        for (status, count) in golden.statuses() {
            let count = self.share(*count);
            if count > 0 {
                part.add_status(*status, count);
            }
        }
        for (index, count) in golden.latency.buckets() {
            part.latency.add(index, self.share(count));
        }
        part.latency.add_zeros(self.share(golden.latency.zeros()));
        if part.latency.count() > 0 {
            (part.min_us, part.max_us) = (golden.min_us, golden.max_us);
            part.first_byte_max_us = golden.first_byte_max_us;
        }
        if part.hits > 0 {
            (part.bytes_in_max, part.bytes_out_max) = (golden.bytes_in_max, golden.bytes_out_max);
        }
        part
    }
}
