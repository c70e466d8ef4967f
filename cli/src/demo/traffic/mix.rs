//! The mix of requests that the shoppers send.

mod calls;

use std::collections::VecDeque;

use rand::RngExt;
use rand::rngs::StdRng;
use reqwest::Method;
use serde::Deserialize;

use crate::demo::traffic::call::Call;

/// The number of orders that one shopper remembers.
const ORDERS_MAX: usize = 24;

/// The state of one shopper: the orders placed, to view or cancel later.
#[derive(Debug, Default)]
pub(crate) struct Shopper {
    orders: VecDeque<u64>,
}

impl Shopper {
    /// Picks the next call at random, by weight.
    pub(crate) fn next_call(&mut self, rng: &mut StdRng) -> Call {
        let total: u32 = calls::MIX.iter().map(|(weight, _)| weight).sum();
        let mut at = rng.random_range(0..total);
        for (weight, call) in calls::MIX {
            if at < *weight {
                return call(&mut self.orders, rng);
            }
            at -= weight;
        }
        unreachable!("a number below the sum of the weights falls on one of them")
    }

    /// Remembers the id of an order that was placed.
    pub(crate) fn receive(&mut self, call: &Call, answer: &[u8]) {
        #[derive(Deserialize)]
        struct PlacedOrder {
            id: u64,
        }
        if call.method != Method::POST || call.path != "/api/orders" {
            return;
        }
        let Ok(PlacedOrder { id }) = serde_json::from_slice(answer) else { return };
        self.orders.push_back(id);
        if self.orders.len() > ORDERS_MAX {
            self.orders.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::SeedableRng;

    use super::*;
    use crate::demo::shop::ShopService;

    #[test]
    fn the_mix_reaches_many_endpoints_under_the_names_that_they_are_meant_to_have() {
        let mut rng = StdRng::seed_from_u64(1);
        let mut shopper = Shopper::default();

        let endpoints: BTreeSet<String> =
            (0..20_000).map(|_| shopper.next_call(&mut rng)).map(|call| format!("{} {}", call.service, call.endpoint)).collect();

        let expected = [
            "legacy GET /healthz",
            "legacy GET /legacy/export",
            "legacy GET /legacy/report.csv",
            "legacy POST /legacy/import",
            "payments DELETE /api/orders/{id}",
            "payments GET /api/orders",
            "payments GET /api/orders/{id}",
            "payments GET /healthz",
            "payments POST /api/checkout",
            "payments POST /api/orders",
            "payments POST /api/refunds",
            "search GET /api/search",
            "search GET /api/suggest",
            "search GET /healthz",
            "storefront GET /",
            "storefront GET /assets/app.css",
            "storefront GET /cart",
            "storefront GET /healthz",
            "storefront GET /products/{id}",
            "storefront POST /login",
            "storefront PUT /api/users/{id}",
        ];
        assert_eq!(endpoints.iter().map(String::as_str).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_shopper_remembers_the_orders_placed_and_not_more_than_a_few() {
        let mut shopper = Shopper::default();
        let place = Call::new(ShopService::Payments, Method::POST, "/api/orders".into());
        for id in 1..100_u64 {
            shopper.receive(&place, format!(r#"{{"id": {id}, "status": "placed"}}"#).as_bytes());
        }
        shopper.receive(&place, b"no order at all");
        assert_eq!(shopper.orders.len(), ORDERS_MAX);
        assert_eq!(shopper.orders.back(), Some(&99));
    }
}
