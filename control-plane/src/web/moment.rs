//! What a page shows in one second, computed once for all who look at the same page.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;
use serde_json::value::{RawValue, to_raw_value};

use crate::web::cells::Cells;
use crate::web::message::Message;
use crate::web::order::{Order, SortKeys};

/// Moments are this long.
const MOMENT_MS: u64 = 1000;

/// Pages that are kept. Who finds no room has its own worked out each second.
const KEPT_MAX: usize = 64;

/// Moments that readers may have been shown last before one. Nearly all of them were shown the one before it; a busy
/// machine lets some miss a second or two.
const SHOWN_MAX: usize = 4;

/// One second of one page.
#[derive(Debug, Default)]
pub struct Moment {
    /// When it was, milliseconds since the Unix epoch.
    pub taken_ms: u64,
    /// What the page shows, as values by key.
    pub cells: Cells,
    /// The rows of its table: by what they are sorted, if the reader chooses; else they are in order.
    pub rows: Vec<(String, Option<SortKeys>)>,
    /// The moments before it that somebody was shown last, and what has happened since each.
    news: Mutex<Vec<(Weak<Moment>, Arc<News>)>>,
    /// The ids of the rows in the orders that somebody has asked for.
    orders: Mutex<HashMap<Order, Arc<[String]>>>,
}

/// What has happened between two moments.
#[derive(Debug)]
pub struct News {
    taken_ms: u64,
    /// What to set, as finished JSON.
    changes: Box<RawValue>,
    /// Elements that are no more.
    gone: Vec<String>,
    /// The whole message, for readers whose rows stay as they are and for those whose rows get this order.
    messages: Mutex<HashMap<Option<Order>, Bytes>>,
}

impl Moment {
    /// The values of a page and its rows.
    pub fn of(taken_ms: u64, cells: Cells, rows: Vec<(String, Option<SortKeys>)>) -> Self {
        Self { taken_ms, cells, rows, news: Mutex::default(), orders: Mutex::default() }
    }

    /// What has happened since a page was shown `shown`. Nearly everybody was shown the same moment before this one,
    /// and shares the answer: it is worked out once, however many watch.
    pub fn news_since(&self, shown: &Arc<Self>) -> Arc<News> {
        let since = Arc::downgrade(shown);
        let mut known = self.news.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, news)) = known.iter().find(|(known, _)| Weak::ptr_eq(known, &since)) {
            return Arc::clone(news);
        }
        let news = Arc::new(News::between(shown, self));
        if known.len() < SHOWN_MAX {
            known.push((since, Arc::clone(&news)));
        }
        news
    }

    /// The ids of the rows in an order, sorted once for all who want it.
    pub fn order(&self, order: Order) -> Arc<[String]> {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        // There are two for each column, and those of the toolbar.
        Arc::clone(orders.entry(order).or_insert_with(|| self.ordered(order)))
    }

    fn ordered(&self, order: Order) -> Arc<[String]> {
        let mut rows: Vec<&(String, Option<SortKeys>)> = self.rows.iter().collect();
        rows.sort_by(|(_, a), (_, b)| match (a, b) {
            (Some(a), Some(b)) => order.compare(a, b),
            _ => std::cmp::Ordering::Equal,
        });
        rows.into_iter().map(|(id, _)| id.clone()).collect()
    }
}

impl News {
    fn between(shown: &Moment, now: &Moment) -> Self {
        let changes = to_raw_value(&shown.cells.changes(&now.cells)).expect("changes are texts");
        Self { taken_ms: now.taken_ms, changes, gone: shown.cells.gone(&now.cells), messages: Mutex::default() }
    }

    /// Whether elements are no more.
    pub fn is_any_gone(&self) -> bool {
        !self.gone.is_empty()
    }

    /// The message that tells of it, with the rows in their order if a reader's are in another; one for all who are told
    /// the same.
    pub fn message(&self, rows: Option<(Order, &[String])>) -> Bytes {
        let mut messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        let write = || {
            let order = rows.map(|(_, rows)| rows);
            Message { order, gone: &self.gone, ..Message::tick(self.taken_ms, &self.changes) }.finished("tick")
        };
        messages.entry(rows.map(|(order, _)| order)).or_insert_with(write).clone()
    }
}

/// The newest of something for each page that somebody looks at.
///
/// Whoever asks first in a second computes it, and everybody else in that second waits for that or shares it:
/// a hundred browsers cost what one costs, and when nobody looks nothing is computed.
#[derive(Debug)]
pub struct Newest<K, V>(Mutex<HashMap<K, Arc<Mutex<Latest<V>>>>>);

type Latest<V> = Option<(u64, Arc<V>)>;

impl<K, V> Default for Newest<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Hash + Eq + Clone, V> Newest<K, V> {
    /// What there is for the second that `now_ms` lies in; it is made if there is none yet.
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
            // Who is being served right now holds the lock, and is looked at.
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
        let newest = Newest::default();
        let first = newest.at(&"overview", 5000, || 1);
        let same = newest.at(&"overview", 5999, || unreachable!("the second has not passed"));
        assert!(Arc::ptr_eq(&first, &same));

        assert_eq!(*newest.at(&"overview", 6000, || 2), 2);
    }

    #[test]
    fn what_has_happened_is_worked_out_once_for_all_who_were_shown_the_same() {
        let moment = |second: u64| Arc::new(Moment::of(second * 1000, Cells::default(), vec![]));
        let (first, second, third) = (moment(1), moment(2), moment(3));
        let (late, usual) = (third.news_since(&first), third.news_since(&second));
        for _ in 0..2 {
            assert!(Arc::ptr_eq(&late, &third.news_since(&first)) && Arc::ptr_eq(&usual, &third.news_since(&second)));
        }
        assert!(!Arc::ptr_eq(&late, &usual));
    }

    #[test]
    fn a_stranger_who_invents_pages_fills_nothing() {
        let newest = Newest::default();
        for key in 0..1000 {
            assert_eq!(*newest.at(&key, 5000, || key), key);
        }
        assert_eq!(newest.0.lock().unwrap().len(), KEPT_MAX);
        newest.at(&1000, 9000, || 1000);
        assert_eq!(newest.0.lock().unwrap().len(), 1, "what nobody looks at any more makes room");
    }
}
