//! Golden metrics packed in the format of the store: for counts at rest, which would take ten times the memory unpacked.

use mesh::golden::GoldenMetrics;

use crate::store::codec;

/// Room for most metrics, so that packing them allocates once.
pub const USUAL_BYTES: usize = 128;

/// Golden metrics in few bytes; by default zero. A report of two latencies far apart takes sixty bytes packed, and four
/// kilobytes unpacked.
#[derive(Debug, Clone, Default)]
pub struct PackedMetrics(Box<[u8]>);

impl PackedMetrics {
    /// Packs the metrics.
    pub fn new(golden: &GoldenMetrics) -> Self {
        if *golden == GoldenMetrics::default() {
            return Self::default();
        }
        let mut bytes = Vec::with_capacity(USUAL_BYTES);
        codec::write(golden, &mut bytes);
        Self(bytes.into_boxed_slice())
    }

    /// Adds them to a sum.
    pub fn add_to(&self, sum: &mut GoldenMetrics) {
        if !self.0.is_empty() {
            codec::add(&self.0, sum).expect("it was packed here");
        }
    }

    /// Unpacks them.
    pub fn unpack(&self) -> GoldenMetrics {
        let mut golden = GoldenMetrics::default();
        self.add_to(&mut golden);
        golden
    }

    /// Bytes on the heap.
    pub fn bytes(&self) -> usize {
        self.0.len()
    }
}
