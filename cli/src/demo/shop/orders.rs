//! The order book of the shop, shared by all instances of payments.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

/// The id of the first order there ever was.
pub(crate) const FIRST_ORDER: u64 = 1001;

/// Orders remembered. A demo of an hour makes ten thousand; the newest are enough to show a list.
const ORDERS_MAX: usize = 500;

/// One order.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Order {
    pub(super) id: u64,
    pub(super) status: &'static str,
    #[serde(flatten)]
    pub(super) wish: Wish,
}

/// What a customer asks for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Wish {
    pub(super) product: u64,
    pub(super) quantity: u32,
}

/// The newest orders.
#[derive(Debug)]
pub(super) struct Orders {
    book: Mutex<BTreeMap<u64, Order>>,
}

impl Default for Orders {
    /// The shop opens with orders of yesterday in its book.
    fn default() -> Self {
        let yesterday = (FIRST_ORDER..FIRST_ORDER + 200)
            .map(|id| (id, Order { id, status: "delivered", wish: Wish { product: id % 97 + 1, quantity: 1 } }))
            .collect();
        Self { book: Mutex::new(yesterday) }
    }
}

impl Orders {
    /// Writes a new order down, and forgets the oldest if there are too many.
    pub(super) fn place(&self, wish: Wish) -> Order {
        let mut book = self.book();
        let id = book.last_key_value().map_or(FIRST_ORDER, |(last, _)| last + 1);
        let order = Order { id, status: "placed", wish };
        book.insert(id, order.clone());
        if book.len() > ORDERS_MAX {
            book.pop_first();
        }
        order
    }

    /// The order of that id, if it is still remembered.
    pub(super) fn find(&self, id: u64) -> Option<Order> {
        self.book().get(&id).cloned()
    }

    /// Strikes an order out; `None` if there is none.
    pub(super) fn cancel(&self, id: u64) -> Option<Order> {
        self.book().remove(&id)
    }

    /// The newest so many orders, newest first.
    pub(super) fn newest(&self, count: usize) -> Vec<Order> {
        self.book().values().rev().take(count).cloned().collect()
    }

    /// An exchange that panicked cannot have left the book half written: each change is one call on the map.
    fn book(&self) -> MutexGuard<'_, BTreeMap<u64, Order>> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_can_be_found_until_it_is_cancelled() {
        let orders = Orders::default();
        let placed = orders.place(Wish { product: 7, quantity: 2 });
        assert_eq!(orders.newest(1)[0].id, placed.id);
        assert!(orders.find(placed.id).is_some());
        assert!(orders.cancel(placed.id).is_some());
        assert!(orders.find(placed.id).is_none());
        assert!(orders.cancel(placed.id).is_none());
    }

    #[test]
    fn the_book_forgets_its_oldest_orders() {
        let orders = Orders::default();
        for _ in 0..ORDERS_MAX {
            orders.place(Wish { product: 1, quantity: 1 });
        }
        assert_eq!(orders.newest(usize::MAX).len(), ORDERS_MAX);
        assert!(orders.find(FIRST_ORDER).is_none());
    }
}
