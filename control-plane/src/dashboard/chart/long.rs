//! Charts of windows longer than memory: read from disk and cached, with newer counts added from memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::counts::timeline::long_range::chart::{Chart, ChartRequest};
use crate::counts::timeline::long_range::range_cache::{IN_MEMORY, is_fresh};
use crate::counts::timeline::series::Series;
use crate::dashboard::chart::columns::{COLUMNS_MAX, Columns};
use crate::model::window::Range;
use crate::query::reader::Reader;
use crate::store::StoreError;

/// Maximum number of cached charts, some hundred kilobytes each: enough for a few dozen viewers.
const CHARTS_MAX: usize = 64;

/// Cache of charts read from disk, by endpoint and window.
#[derive(Debug, Default)]
pub struct LongCharts {
    charts: Mutex<HashMap<(String, Duration), Arc<Drawn>>>,
    /// Serialises the disk reads: one at a time, however many requests wait.
    reading: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Drawn {
    read_ms: u64,
    /// The version of the endpoint names at the time of the read.
    naming: u64,
    chart: Chart,
}

impl LongCharts {
    /// Reads an endpoint's chart into the cache, unless memory covers the window or it is cached.
    pub async fn look_back(&self, reader: &Reader, id: &str, window: Duration, now_ms: u64) -> Result<(), StoreError> {
        let key = (id.to_owned(), window);
        if window <= IN_MEMORY || self.drawn(&key, reader.naming_revision(), now_ms).is_some() {
            return Ok(());
        }
        let _one_at_a_time = self.reading.lock().await;
        let series: Vec<_> = reader.one_series(id).into_iter().collect();
        if series.is_empty() || self.drawn(&key, reader.naming_revision(), now_ms).is_some() {
            return Ok(());
        }
        let wanted =
            ChartRequest { series, window_ms: window.as_millis() as u64, to_ms: None, compares: false, steps_max: COLUMNS_MAX };
        let naming = reader.naming_revision();
        let chart = reader.chart(wanted, now_ms).await?;
        self.keep(key, Drawn { read_ms: now_ms, naming, chart });
        Ok(())
    }

    /// The columns of an endpoint between two instants. Not cached: a page of a fixed range does not update.
    pub async fn between(&self, reader: &Reader, id: &str, range: Range, now_ms: u64) -> Result<Columns, StoreError> {
        let _one_at_a_time = self.reading.lock().await;
        let series: Vec<_> = reader.one_series(id).into_iter().collect();
        // A range that is not over yet ends now, and includes the counts in memory.
        let to_ms = (range.to_ms <= now_ms).then(|| range.to_ms.saturating_sub(1));
        let window_ms = range.to_ms.min(now_ms).saturating_sub(range.from_ms);
        let wanted = ChartRequest { series, window_ms, to_ms, compares: false, steps_max: COLUMNS_MAX };
        let chart = reader.chart(wanted, now_ms).await?;
        let to_come_ms = chart.to_ms.saturating_sub(now_ms);
        Ok(Columns { from_ms: chart.from_ms, step_ms: chart.step_ms, golden: chart.points, to_come_ms })
    }

    /// The cached columns of a series, updated to now; `None` without a fresh chart of these names.
    pub fn columns(&self, series: &Series, window: Duration, naming: u64, now_ms: u64) -> Option<Columns> {
        let drawn = self.drawn(&(series.id.to_string(), window), naming, now_ms)?;
        let chart = &drawn.chart;
        Some(Columns {
            from_ms: chart.from_ms,
            step_ms: chart.step_ms,
            golden: chart.points_by_now(&series.totals()),
            to_come_ms: chart.to_ms.saturating_sub(now_ms),
        })
    }

    fn drawn(&self, key: &(String, Duration), naming: u64, now_ms: u64) -> Option<Arc<Drawn>> {
        let charts = self.charts.lock().unwrap_or_else(PoisonError::into_inner);
        let drawn = charts.get(key)?;
        // A chart whose last column is over lacks the next column.
        (drawn.naming == naming && is_fresh(drawn.read_ms, key.1, now_ms) && now_ms < drawn.chart.to_ms)
            .then(|| Arc::clone(drawn))
    }

    fn keep(&self, key: (String, Duration), drawn: Drawn) {
        let mut charts = self.charts.lock().unwrap_or_else(PoisonError::into_inner);
        charts.insert(key, Arc::new(drawn));
        if charts.len() > CHARTS_MAX {
            let oldest = charts.iter().min_by_key(|(_, drawn)| drawn.read_ms).map(|(key, _)| key.clone());
            oldest.map(|oldest| charts.remove(&oldest));
        }
    }
}
