//! The order book of the shop, shared by all instances of the payments service.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

/// The id of the first order.
pub(crate) const FIRST_ORDER: u64 = 1001;

/// The number of orders kept. A demo of an hour makes ten thousand; the newest suffice for a list.
const ORDERS_MAX: usize = 500;

/// One order.
#[derive(Debug, Clone, Serialize)]
pub(super) struct ShopOrder {
    pub(super) id: u64,
    pub(super) status: &'static str,
    #[serde(flatten)]
    pub(super) wish: OrderForm,
}

/// The product and quantity that a customer orders.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct OrderForm {
    pub(super) product: u64,
    pub(super) quantity: u32,
}

/// The newest orders.
#[derive(Debug)]
pub(super) struct Orders {
    book: Mutex<BTreeMap<u64, ShopOrder>>,
}

impl Default for Orders {
    /// The shop starts with 200 delivered orders.
    fn default() -> Self {
        let yesterday = (FIRST_ORDER..FIRST_ORDER + 200)
            .map(|id| (id, ShopOrder { id, status: "delivered", wish: OrderForm { product: id % 97 + 1, quantity: 1 } }))
            .collect();
        Self { book: Mutex::new(yesterday) }
    }
}

impl Orders {
    /// Adds a new order, and removes the oldest if there are too many.
    pub(super) fn place(&self, wish: OrderForm) -> ShopOrder {
        let mut book = self.book();
        let id = book.last_key_value().map_or(FIRST_ORDER, |(last, _)| last + 1);
        let order = ShopOrder { id, status: "placed", wish };
        book.insert(id, order.clone());
        if book.len() > ORDERS_MAX {
            book.pop_first();
        }
        order
    }

    /// The order with that id, if it is still kept.
    pub(super) fn find(&self, id: u64) -> Option<ShopOrder> {
        self.book().get(&id).cloned()
    }

    /// Removes an order; `None` if there is none.
    pub(super) fn cancel(&self, id: u64) -> Option<ShopOrder> {
        self.book().remove(&id)
    }

    /// The newest `count` orders, newest first.
    pub(super) fn newest(&self, count: usize) -> Vec<ShopOrder> {
        self.book().values().rev().take(count).cloned().collect()
    }

    /// Ignores poisoning: each change is one call on the map, so a panic cannot leave the book half written.
    fn book(&self) -> MutexGuard<'_, BTreeMap<u64, ShopOrder>> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_can_be_found_until_it_is_cancelled() {
        let orders = Orders::default();
        let placed = orders.place(OrderForm { product: 7, quantity: 2 });
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
            orders.place(OrderForm { product: 1, quantity: 1 });
        }
        assert_eq!(orders.newest(usize::MAX).len(), ORDERS_MAX);
        assert!(orders.find(FIRST_ORDER).is_none());
    }
}
