//! Live frames: what a page shows in one second, computed once for all its viewers.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;
use serde_json::value::{RawValue, to_raw_value};

use crate::dashboard::live_values::Cells;
use crate::dashboard::order::{SortKeys, SortOrder};
use crate::dashboard::patch::Patch;

/// The length of a frame.
const MOMENT_MS: u64 = 1000;

/// Pages that the cache holds. A page without room is computed anew for each request.
const KEPT_MAX: usize = 64;

/// Earlier frames for which a frame keeps a diff. Nearly all clients have the previous frame; on a busy machine some
/// lag a second or two.
const SHOWN_MAX: usize = 4;

/// The frame of one page for one second.
#[derive(Debug, Default)]
pub struct LiveFrame {
    /// When it was taken, milliseconds since the Unix epoch.
    pub taken_ms: u64,
    /// The live values of the page.
    pub cells: Cells,
    /// The rows of its table, with sort keys if the reader chooses the order; otherwise they are in order.
    pub rows: Vec<(String, Option<SortKeys>)>,
    /// The earlier frames that clients have, and the diff from each of them.
    news: Mutex<Vec<(Weak<LiveFrame>, Arc<Diff>)>>,
    /// The ids of the rows in each requested order.
    orders: Mutex<HashMap<SortOrder, Arc<[String]>>>,
}

/// The diff between two frames.
#[derive(Debug)]
pub struct Diff {
    taken_ms: u64,
    /// The values to set, as JSON.
    changes: Box<RawValue>,
    /// Elements to remove.
    gone: Vec<String>,
    /// The serialized patches: `None` for clients whose rows keep their order, else by the new order.
    messages: Mutex<HashMap<Option<SortOrder>, Bytes>>,
}

impl LiveFrame {
    /// The frame with a page's live values and rows.
    pub fn of(taken_ms: u64, cells: Cells, rows: Vec<(String, Option<SortKeys>)>) -> Self {
        Self { taken_ms, cells, rows, news: Mutex::default(), orders: Mutex::default() }
    }

    /// The diff from the frame `shown`. Nearly all clients have the same previous frame, so the diff is computed once
    /// for all of them.
    pub fn news_since(&self, shown: &Arc<Self>) -> Arc<Diff> {
        let since = Arc::downgrade(shown);
        let mut known = self.news.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, news)) = known.iter().find(|(known, _)| Weak::ptr_eq(known, &since)) {
            return Arc::clone(news);
        }
        let news = Arc::new(Diff::between(shown, self));
        if known.len() < SHOWN_MAX {
            known.push((since, Arc::clone(&news)));
        }
        news
    }

    /// The ids of the rows in an order, sorted once for all clients.
    pub fn order(&self, order: SortOrder) -> Arc<[String]> {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        // The map is bounded: two orders for each column, and those of the toolbar.
        Arc::clone(orders.entry(order).or_insert_with(|| self.ordered(order)))
    }

    fn ordered(&self, order: SortOrder) -> Arc<[String]> {
        let mut rows: Vec<&(String, Option<SortKeys>)> = self.rows.iter().collect();
        rows.sort_by(|(_, a), (_, b)| match (a, b) {
            (Some(a), Some(b)) => order.compare(a, b),
            _ => std::cmp::Ordering::Equal,
        });
        rows.into_iter().map(|(id, _)| id.clone()).collect()
    }
}

impl Diff {
    fn between(shown: &LiveFrame, now: &LiveFrame) -> Self {
        let changes = to_raw_value(&shown.cells.changes(&now.cells)).expect("changes are texts");
        Self { taken_ms: now.taken_ms, changes, gone: shown.cells.gone(&now.cells), messages: Mutex::default() }
    }

    /// Whether elements were removed.
    pub fn is_any_gone(&self) -> bool {
        !self.gone.is_empty()
    }

    /// The serialized patch, with the row order for a client whose order has changed. Clients that receive the same
    /// share it.
    pub fn message(&self, rows: Option<(SortOrder, &[String])>) -> Bytes {
        let mut messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        let write = || {
            let order = rows.map(|(_, rows)| rows);
            Patch { order, gone: &self.gone, ..Patch::tick(self.taken_ms, &self.changes) }.finished("tick")
        };
        messages.entry(rows.map(|(order, _)| order)).or_insert_with(write).clone()
    }
}

/// A per-second cache of one value for each page in use.
///
/// The first request in a second computes the value; all others in that second wait for it or share it. A hundred
/// browsers cost what one costs, and without browsers nothing is computed.
#[derive(Debug)]
pub struct PerSecondCache<K, V>(Mutex<HashMap<K, Arc<Mutex<Latest<V>>>>>);

type Latest<V> = Option<(u64, Arc<V>)>;

impl<K, V> Default for PerSecondCache<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Hash + Eq + Clone, V> PerSecondCache<K, V> {
    /// The value for the second of `now_ms`; calls `make` if there is none yet.
    pub fn at(&self, key: &K, now_ms: u64, make: impl FnOnce() -> V) -> Arc<V> {
        let second = now_ms / MOMENT_MS;
        let Some(latest) = self.place(key, second) else { return Arc::new(make()) };
        let mut latest = latest.lock().unwrap_or_else(PoisonError::into_inner);
        match &*latest {
            Some((of, known)) if *of == second => Arc::clone(known),
            _ => {
                let fresh = Arc::new(make());
                *latest = Some((second, Arc::clone(&fresh)));
                fresh
            }
        }
    }

    fn place(&self, key: &K, second: u64) -> Option<Arc<Mutex<Latest<V>>>> {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() >= KEPT_MAX && !places.contains_key(key) {
            // A locked entry is being computed now, so it is in use.
            places.retain(|_, latest| {
                latest.try_lock().map_or(true, |latest| latest.as_ref().is_some_and(|(of, _)| of + 1 >= second))
            });
            if places.len() >= KEPT_MAX {
                return None;
            }
        }
        Some(Arc::clone(places.entry(key.clone()).or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_is_computed_once_for_everybody() {
        let newest = PerSecondCache::default();
        let first = newest.at(&"overview", 5000, || 1);
        let same = newest.at(&"overview", 5999, || unreachable!("the second has not passed"));
        assert!(Arc::ptr_eq(&first, &same));

        assert_eq!(*newest.at(&"overview", 6000, || 2), 2);
    }

    #[test]
    fn what_has_happened_is_worked_out_once_for_all_who_were_shown_the_same() {
        let moment = |second: u64| Arc::new(LiveFrame::of(second * 1000, Cells::default(), vec![]));
        let (first, second, third) = (moment(1), moment(2), moment(3));
        let (late, usual) = (third.news_since(&first), third.news_since(&second));
        for _ in 0..2 {
            assert!(Arc::ptr_eq(&late, &third.news_since(&first)) && Arc::ptr_eq(&usual, &third.news_since(&second)));
        }
        assert!(!Arc::ptr_eq(&late, &usual));
    }

    #[test]
    fn a_stranger_who_invents_pages_fills_nothing() {
        let newest = PerSecondCache::default();
        for key in 0..1000 {
            assert_eq!(*newest.at(&key, 5000, || key), key);
        }
        assert_eq!(newest.0.lock().unwrap().len(), KEPT_MAX);
        newest.at(&1000, 9000, || 1000);
        assert_eq!(newest.0.lock().unwrap().len(), 1, "what is no longer shown makes room");
    }
}
