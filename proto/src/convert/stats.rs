//! One endpoint's row on the wire, as reports and windows carry it.

use mesh::golden::{GoldenMetrics, STATUSES_MAX};
use mesh::report::Seen;

use crate::convert::Refused;
use crate::wire;

mod buckets;

/// Numbers in `extremes`.
const EXTREMES: usize = 5;

/// Puts one row on the wire.
pub(super) fn stat(id: u32, golden: &GoldenMetrics, seen: Option<Seen>) -> wire::Stat {
    let (hist_lowest, hist) = buckets::pack(&golden.latency);
    wire::Stat {
        id,
        hits: golden.hits,
        total_us: golden.total_us,
        max_us: golden.max_us,
        bytes_in: golden.bytes_in,
        bytes_out: golden.bytes_out,
        status: golden.statuses().iter().flat_map(|(code, count)| [u64::from(*code), *count]).collect(),
        by_rule: golden.by_rule,
        failed: golden.failed,
        failed_by_sitio: golden.failed_by_sitio,
        extremes: extremes(golden),
        first_ms: seen.map_or(0, |seen| seen.first_ms),
        last_ms: seen.map_or(0, |seen| seen.last_ms),
        hist_zeros: golden.latency.zeros(),
        hist_lowest,
        hist,
        ..wire::Stat::default()
    }
}

/// What cannot be added up, and the time to the first byte. Nothing at all for an endpoint that has only something under way.
fn extremes(golden: &GoldenMetrics) -> Vec<u64> {
    let mut extremes = vec![
        golden.min_us.map_or(0, |min_us| min_us.saturating_add(1)),
        golden.total_us.saturating_sub(golden.first_byte_total_us),
        golden.max_us.saturating_sub(golden.first_byte_max_us),
        golden.bytes_in_max,
        golden.bytes_out_max,
    ];
    while extremes.last() == Some(&0) {
        extremes.pop();
    }
    extremes
}

fn set_extremes(golden: &mut GoldenMetrics, extremes: &[u64]) -> Result<(), Refused> {
    if extremes.len() > EXTREMES {
        return Err(Refused::TooMuch { field: "extremes", limit: EXTREMES });
    }
    let why = || Refused::Senseless { field: "extremes", why: "the first byte cannot come after the last".into() };
    let extreme = |at: usize| extremes.get(at).copied().unwrap_or(0);
    golden.min_us = extreme(0).checked_sub(1);
    golden.first_byte_total_us = golden.total_us.checked_sub(extreme(1)).ok_or_else(why)?;
    golden.first_byte_max_us = golden.max_us.checked_sub(extreme(2)).ok_or_else(why)?;
    golden.bytes_in_max = extreme(3);
    golden.bytes_out_max = extreme(4);
    Ok(())
}

/// When the endpoint was asked, if the row tells it.
pub(super) fn seen(stat: &wire::Stat) -> Option<Seen> {
    (stat.first_ms > 0).then(|| Seen { first_ms: stat.first_ms, last_ms: stat.last_ms.max(stat.first_ms) })
}

/// Takes one row off the wire, or says what cannot be.
pub(super) fn golden(stat: &wire::Stat) -> Result<GoldenMetrics, Refused> {
    let mut golden = GoldenMetrics::default();
    golden.hits = stat.hits;
    golden.by_rule = stat.by_rule;
    golden.failed = stat.failed;
    golden.failed_by_sitio = stat.failed_by_sitio;
    golden.total_us = stat.total_us;
    golden.max_us = stat.max_us;
    golden.bytes_in = stat.bytes_in;
    golden.bytes_out = stat.bytes_out;
    set_extremes(&mut golden, &stat.extremes)?;
    let (codes, odd) = stat.status.as_chunks::<2>();
    if !odd.is_empty() || codes.len() > STATUSES_MAX + 1 {
        return Err(Refused::TooMuch { field: "status", limit: STATUSES_MAX });
    }
    for [code, count] in codes {
        let code = u16::try_from(*code).ok().filter(|code| *code < 1000);
        let why = || Refused::Senseless { field: "status", why: "a status has three digits".into() };
        golden.add_status(code.ok_or_else(why)?, *count);
    }
    golden.latency = buckets::unpack(stat.hist_lowest, &stat.hist)?;
    golden.latency.add_zeros(stat.hist_zeros);
    Ok(golden)
}
