//! The overview of one second, computed once for all who look at the same window.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use serde_json::value::{RawValue, to_raw_value};

use crate::snapshot::Snapshot;
use crate::web::cells::Cells;
use crate::web::order::Order;
use crate::web::overview::Overview;
use crate::web::view::Span;

/// Moments are this long.
const MOMENT_MS: u64 = 1000;

/// One second of one window.
#[derive(Debug)]
pub struct Moment {
    /// The numbers.
    pub overview: Overview,
    /// The same as values by key.
    pub cells: Cells,
    /// The moment before it that somebody looked at, and what has changed since, as finished JSON.
    changes: OnceLock<(Weak<Moment>, Arc<RawValue>)>,
}

impl Moment {
    fn of(snapshot: &Snapshot, span: Span) -> Self {
        let overview = Overview::of(snapshot, span);
        Self { cells: Cells::of(&overview), overview, changes: OnceLock::new() }
    }

    /// What to set on a page that shows `shown`, as JSON. Nearly everybody was shown the same moment before this one,
    /// and shares the answer: it is worked out once, however many watch.
    pub fn changes_since(&self, shown: &Arc<Self>) -> Arc<RawValue> {
        let work_out = || Arc::from(to_raw_value(&shown.cells.changes(&self.cells)).expect("changes are texts"));
        let (since, changes) = self.changes.get_or_init(|| (Arc::downgrade(shown), work_out()));
        if Weak::ptr_eq(since, &Arc::downgrade(shown)) { Arc::clone(changes) } else { work_out() }
    }

    /// The ids of the rows in an order.
    pub fn order(&self, order: Order) -> Vec<String> {
        self.overview.ordered(order).into_iter().map(|row| row.id.clone()).collect()
    }
}

/// The newest moment of each window that somebody looks at; there are four windows.
///
/// Whoever asks first in a second computes it, and everybody else in that second waits for that or shares it:
/// a hundred browsers cost what one costs, and when nobody looks nothing is computed.
#[derive(Debug, Default)]
pub struct Moments(Mutex<HashMap<Span, Arc<Mutex<Latest>>>>);

type Latest = Option<(u64, Arc<Moment>)>;

impl Moments {
    /// The moment of `span` that `now_ms` lies in; `snapshot` is asked if there is none yet.
    pub fn at(&self, span: Span, now_ms: u64, snapshot: impl FnOnce() -> Snapshot) -> Arc<Moment> {
        let latest = Arc::clone(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(span).or_default());
        let mut latest = latest.lock().unwrap_or_else(PoisonError::into_inner);
        let second = now_ms / MOMENT_MS;
        match &*latest {
            Some((of, moment)) if *of == second => Arc::clone(moment),
            _ => {
                let moment = Arc::new(Moment::of(&snapshot(), span));
                *latest = Some((second, Arc::clone(&moment)));
                moment
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::sample;

    #[test]
    fn a_second_is_computed_once_for_everybody() {
        let moments = Moments::default();
        let first = moments.at(Span::FiveMinutes, 5000, sample::snapshot);
        let same = moments.at(Span::FiveMinutes, 5999, || unreachable!("the second has not passed"));
        assert!(Arc::ptr_eq(&first, &same));

        let next = moments.at(Span::FiveMinutes, 6000, sample::snapshot);
        assert!(!Arc::ptr_eq(&first, &next));
    }
}
