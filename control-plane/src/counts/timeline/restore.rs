//! Restores all totals and the slots of the last hour from the store, so that charts have no gap after a restart.

use std::collections::HashMap;
use std::sync::Arc;

use mesh::golden::GoldenMetrics;

use crate::counts::memory::Budget;
use crate::counts::timeline::Timeline;
use crate::counts::timeline::apply_pins::apply_pins;
use crate::counts::timeline::series::Series;
use crate::model::rules_state::RulesState;
use crate::store::StoreError;
use crate::store::metrics_store::{MetricsStore, SlotRange, StoreView};
use crate::store::rollup::Resolution;

/// How far back the slots in memory go.
const HOUR_MS: u64 = 3_600_000;

/// Creates a timeline from the store, with endpoints named by these rules.
pub fn restore(
    metrics_store: &dyn MetricsStore,
    rules: &RulesState,
    budget: Budget,
    now_ms: u64,
) -> Result<Timeline, StoreError> {
    let mut timeline = Timeline::with_budget(budget, now_ms);
    metrics_store.view(&mut |view| {
        timeline = Timeline::with_budget(budget, view.since_ms()?.min(now_ms));
        apply_pins(&timeline, rules, Vec::new);
        load(&timeline, view, now_ms)
    })?;
    Ok(timeline)
}

fn load(timeline: &Timeline, view: &dyn StoreView, now_ms: u64) -> Result<(), StoreError> {
    let mut all: HashMap<u32, Arc<Series>> = HashMap::new();
    for (number, stored) in view.series()? {
        let series = timeline.stored_series(&stored.name);
        series.restore_total(stored.seen, &stored.total);
        if stored.is_file {
            series.mark_as_file();
        }
        all.insert(number, series);
    }
    let range = SlotRange { resolution: Resolution::TenSeconds, from_ms: now_ms.saturating_sub(HOUR_MS), to_ms: now_ms + 1 };
    view.each_slot(range, None, &mut |slot| {
        let mut golden = GoldenMetrics::default();
        slot.add_to(&mut golden)?;
        if let Some(series) = all.get(&slot.series) {
            series.restore_slot(slot.from_ms, &golden, now_ms);
        }
        Ok(())
    })
}
