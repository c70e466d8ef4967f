//! What a snapshot reports beyond the counts that are known.

use mesh::golden::GoldenMetrics;

/// The part of a snapshot that was not known.
pub(crate) fn news(snapshot: &GoldenMetrics, known: &GoldenMetrics) -> GoldenMetrics {
    let mut news = snapshot.since(known);
    let old = known.latency.count() > 0;
    let at = |q: f64| news.latency.quantile(q).map(|us| us as u64);
    let (lowest_us, highest_us) = (at(0.0), at(1.0).unwrap_or(0));
    // An extreme that was known before is not one of the new values. The extremes of the new values
    // are within the buckets that count them.
    if old && snapshot.max_us == known.max_us {
        news.max_us = highest_us.min(snapshot.max_us);
    }
    if old && snapshot.min_us == known.min_us {
        news.min_us = snapshot.min_us.and_then(|min_us| lowest_us.map(|us| us.max(min_us)));
    }
    if old && snapshot.first_byte_max_us == known.first_byte_max_us {
        news.first_byte_max_us = news.first_byte_max_us.min(news.max_us);
    }
    news
}
