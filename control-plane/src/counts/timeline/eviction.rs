//! Evicts endpoints without traffic: frees their slots after an hour, and removes them when others need the place.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::counts::timeline::series::Series;
use crate::counts::timeline::{ENDPOINTS_MAX, ServiceSeries, Timeline};
use crate::store::metrics_store::SeriesName;

/// A series with a request within this time stays, in milliseconds: its last hour is in memory.
const STAYS_MS: u64 = 3_600_000;

/// Eviction starts above this many sixteenths of the limit; the series that were quiet longest go
/// first...
const CROWDED: usize = 15;

/// ...and stops at this many sixteenths.
const ROOMY: usize = 14;

/// A series that may be evicted.
struct Quiet {
    last_ms: u64,
    endpoints: Arc<ServiceSeries>,
    series: SeriesName,
}

/// Frees outdated slots. If a service, or the whole timeline, is close to its limit, evicts the
/// endpoints that were quiet longest. Without eviction, a service whose name changes with each
/// deployment would leave no room for others. Endpoints that a pod still reports stay. Returns
/// the evicted names, so that the store removes them, too.
pub fn evict(timeline: &Timeline, now_ms: u64) -> Vec<SeriesName> {
    let services: Vec<_> = timeline.services.iter().map(|service| Arc::clone(service.value())).collect();
    let series_max = timeline.budget.series();
    let mut gone = Vec::new();
    let mut quiet = Vec::new();
    for endpoints in services {
        endpoints.iter().for_each(|series| series.expire_slots(now_ms));
        remove_unused(timeline, &endpoints);
        let of_service = || quiet_of(&endpoints, now_ms);
        gone.extend(evict_quiet(timeline, endpoints.len(), ENDPOINTS_MAX, of_service));
        if is_crowded(timeline.len(), series_max) {
            quiet.extend(quiet_of(&endpoints, now_ms));
        }
    }
    gone.extend(evict_quiet(timeline, timeline.len(), series_max, || quiet));
    timeline.services.retain(|_, endpoints| !endpoints.is_empty() || Arc::strong_count(endpoints) > 1);
    timeline.evicted.fetch_add(gone.len() as u64, Ordering::Relaxed);
    gone
}

/// Removes series that never counted anything and that no pod reports: a sidecar has defined
/// them and not used them.
fn remove_unused(timeline: &Timeline, endpoints: &ServiceSeries) {
    endpoints.series.retain(|_, series| {
        let stays = Arc::strong_count(series) > 1 || !series.has_origin() || series.has_counted();
        timeline.series.fetch_sub(usize::from(!stays), Ordering::Relaxed);
        stays
    });
}

fn evict_quiet(timeline: &Timeline, count: usize, max: usize, quiet: impl FnOnce() -> Vec<Quiet>) -> Vec<SeriesName> {
    if !is_crowded(count, max) {
        return Vec::new();
    }
    let mut quiet = quiet();
    quiet.sort_by_key(|quiet| quiet.last_ms);
    let leaves = quiet.into_iter().take(count - max / 16 * ROOMY).filter(|quiet| {
        // A series that was looked up in the meantime stays.
        let gone = quiet.endpoints.remove_if(&quiet.series.endpoint, |_, series| Arc::strong_count(series) == 1);
        timeline.series.fetch_sub(usize::from(gone.is_some()), Ordering::Relaxed);
        gone.is_some()
    });
    leaves.map(|quiet| quiet.series).collect()
}

fn is_crowded(count: usize, max: usize) -> bool {
    count > max / 16 * CROWDED
}

/// The series that have no other holder, and had no request for a while.
fn quiet_of(endpoints: &Arc<ServiceSeries>, now_ms: u64) -> Vec<Quiet> {
    let is_quiet = |series: &Arc<Series>| Arc::strong_count(series) == 1 && series.last_ms() + STAYS_MS < now_ms;
    let quiet =
        |series: &Arc<Series>| Quiet { last_ms: series.last_ms(), endpoints: Arc::clone(endpoints), series: series.name() };
    endpoints.iter().filter(|series| is_quiet(series.value())).map(|series| quiet(series.value())).collect()
}
