//! Encodes histogram buckets: mostly a byte each, because used buckets are adjacent and counts of a second are small.

use mesh::histogram::{Histogram, INDEX_MAX, INDEX_MIN};
use prost::encoding::encode_varint;

use crate::convert::InvalidMessage;
use crate::convert::stats::varints::Varints;

/// Three bits hold the number of empty buckets before one. This value means that the next number holds the rest.
const SKIP_MORE: u64 = 7;

/// Initial capacity; enough for most histograms of a second.
const USUAL_BYTES: usize = 32;

/// Returns the index of the lowest bucket in use, and one or two numbers for each bucket in use.
pub(super) fn pack(histogram: &Histogram) -> (i32, Vec<u8>) {
    let mut buckets = histogram.buckets().peekable();
    let Some((lowest, _)) = buckets.peek().copied() else { return (0, Vec::new()) };
    let (mut packed, mut next) = (Vec::with_capacity(USUAL_BYTES), lowest);
    for (index, count) in buckets {
        let skipped = (index - next) as u64;
        encode_varint((count - 1).saturating_mul(8).saturating_add(skipped.min(SKIP_MORE)), &mut packed);
        if skipped >= SKIP_MORE {
            encode_varint(skipped - SKIP_MORE, &mut packed);
        }
        next = index + 1;
    }
    (lowest, packed)
}

/// Adds the packed buckets to an empty histogram.
pub(super) fn unpack(lowest: i32, packed: &[u8], histogram: &mut Histogram) -> Result<(), InvalidMessage> {
    let mut next = i64::from(lowest);
    let mut varints = Varints::new("hist", packed);
    while let Some(bucket) = varints.read()? {
        let mut skipped = bucket % 8;
        if skipped == SKIP_MORE {
            let more = varints.read()?.ok_or_else(|| senseless("it ends where a number is due".into()))?;
            skipped = skipped.saturating_add(more);
        }
        next = next.saturating_add_unsigned(skipped);
        let index = i32::try_from(next).ok().filter(|index| (INDEX_MIN..=INDEX_MAX).contains(index));
        let index = index.ok_or_else(|| senseless(format!("bucket {next} is outside {INDEX_MIN} to {INDEX_MAX}")))?;
        histogram.push(index, bucket / 8 + 1);
        next += 1;
    }
    Ok(())
}

fn senseless(why: String) -> InvalidMessage {
    InvalidMessage::Senseless { field: "hist", why }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn unpacked(lowest: i32, packed: &[u8]) -> Result<Histogram, InvalidMessage> {
        let mut histogram = Histogram::default();
        unpack(lowest, packed, &mut histogram).map(|()| histogram)
    }

    proptest! {
        #[test]
        fn what_was_packed_is_unpacked(buckets in prop::collection::vec((INDEX_MIN..=INDEX_MAX, 1..1_u64 << 50), 0..40)) {
            let mut histogram = Histogram::default();
            for (index, count) in buckets {
                histogram.add(index, count);
            }
            let (lowest, packed) = pack(&histogram);
            prop_assert_eq!(unpacked(lowest, &packed), Ok(histogram));
        }

        #[test]
        fn anything_is_a_histogram_or_refused(lowest in -200..200, packed in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(histogram) = unpacked(lowest, &packed) {
                let (lowest, packed) = pack(&histogram);
                prop_assert_eq!(unpacked(lowest, &packed), Ok(histogram));
            }
        }
    }

    #[test]
    fn neighbours_with_small_counts_are_a_byte_each() {
        let mut histogram = Histogram::default();
        (10..20).for_each(|index| histogram.add(index, 16));
        let (lowest, packed) = pack(&histogram);
        assert_eq!((lowest, packed.len()), (10, 10));
    }

    #[test]
    fn a_bucket_far_off_and_one_that_is_cut_off_are_refused() {
        assert!(unpacked(i32::MAX, &[0]).is_err());
        assert!(unpacked(0, &[7, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]).is_err());
        assert!(unpacked(0, &[7]).unwrap_err().to_string().contains("a number is due"));
    }
}
