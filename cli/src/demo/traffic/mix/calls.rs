//! The kinds of calls that a shopper makes, with their weights.

use std::collections::VecDeque;

use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use reqwest::Method;
use serde_json::json;

use crate::demo::shop::ShopService;
use crate::demo::shop::catalogue::PRODUCTS;
use crate::demo::shop::orders::FIRST_ORDER;
use crate::demo::traffic::call::Call;

/// The ids of the orders that one shopper has placed.
type Orders = VecDeque<u64>;

/// A function that makes one call of its kind.
type Make = fn(&mut Orders, &mut StdRng) -> Call;

/// The weights are calls per thousand, approximately.
pub(super) const MIX: &[(u32, Make)] = &[
    (160, |_, _| get(ShopService::Storefront, "/")),
    (225, |_, rng| product(rng)),
    (150, |_, rng| style(rng)),
    (40, |_, _| get(ShopService::Storefront, "/cart")),
    (26, |_, rng| login(rng)),
    (8, |_, rng| move_house(rng)),
    (110, |_, rng| get(ShopService::Search, format!("/api/search?q={}", word(rng)))),
    (90, |_, rng| get(ShopService::Search, format!("/api/suggest?q={}", &word(rng)[..2]))),
    (46, |_, rng| checkout(rng)),
    (30, |_, rng| order(rng)),
    (72, |orders, rng| get(ShopService::Payments, format!("/api/orders/{}", some_order(orders, rng)))),
    (14, |_, _| get(ShopService::Payments, "/api/orders")),
    (6, cancel),
    (6, refund),
    (10, |_, _| get(ShopService::Legacy, "/legacy/export")),
    (7, |_, _| get(ShopService::Legacy, "/legacy/report.csv")),
    (4, |_, rng| import(rng)),
    (12, |_, rng| get(*ShopService::ALL.choose(rng).expect("the shop has services"), "/healthz")),
];

fn get(service: ShopService, path: impl Into<String>) -> Call {
    Call::new(service, Method::GET, path.into())
}

/// One in fifty follows an old link to a product that no longer exists.
fn product(rng: &mut StdRng) -> Call {
    let id = if rng.random_ratio(1, 50) { PRODUCTS + rng.random_range(1..100) } else { rng.random_range(1..=PRODUCTS) };
    get(ShopService::Storefront, format!("/products/{id}"))
}

/// Two of three requests are conditional, as from browsers that have the style sheet cached.
fn style(rng: &mut StdRng) -> Call {
    let call = get(ShopService::Storefront, "/assets/app.css");
    if rng.random_ratio(2, 3) { call.with_header("if-none-match", concat!("\"", env!("CARGO_PKG_VERSION"), "\"")) } else { call }
}

/// One in eight has a wrong password; the right one is the name backwards.
fn login(rng: &mut StdRng) -> Call {
    let user = format!("shopper{}", rng.random_range(1..5000));
    let password: String = if rng.random_ratio(1, 8) { "letmein".into() } else { user.chars().rev().collect() };
    post(ShopService::Storefront, "/login").with_json(&json!({"user": user, "password": password}))
}

fn move_house(rng: &mut StdRng) -> Call {
    let (user, house) = (rng.random_range(1..5000), rng.random_range(1..200));
    Call::new(ShopService::Storefront, Method::PUT, format!("/api/users/{user}"))
        .with_json(&json!({"name": format!("Shopper {user}"), "address": format!("{house} Quiet Street, 28004 Madrid")}))
}

fn word(rng: &mut StdRng) -> &'static str {
    ["oak", "lamp", "brass", "chair", "wool", "tall", "teapot", "mirror", "unicorn"].choose(rng).expect("there are words")
}

/// One card in forty is declined, and one basket in eighty is empty.
fn checkout(rng: &mut StdRng) -> Call {
    let last = if rng.random_ratio(1, 40) { 0 } else { rng.random_range(1..10) };
    let amount_cents = if rng.random_ratio(1, 80) { 0 } else { rng.random_range(900..48_000) };
    post(ShopService::Payments, "/api/checkout").with_json(
        &json!({"card": format!("4000 0000 0000 {:03}{last}", rng.random_range(0..1000)), "amount_cents": amount_cents}),
    )
}

fn order(rng: &mut StdRng) -> Call {
    let (product, quantity) = (rng.random_range(1..=PRODUCTS), rng.random_range(1..4));
    post(ShopService::Payments, "/api/orders").with_json(&json!({"product": product, "quantity": quantity}))
}

fn cancel(orders: &mut Orders, rng: &mut StdRng) -> Call {
    let id = orders.pop_back().unwrap_or_else(|| never_placed(rng));
    Call::new(ShopService::Payments, Method::DELETE, format!("/api/orders/{id}"))
}

fn refund(orders: &mut Orders, rng: &mut StdRng) -> Call {
    let order = some_order(orders, rng);
    post(ShopService::Payments, "/api/refunds").with_json(&json!({"order": order, "reason": "it does not fit through the door"}))
}

/// A body of several kilobytes of stock figures.
fn import(rng: &mut StdRng) -> Call {
    let line = format!("{},Oak Chair,12900,17\n", rng.random_range(1000..10_000));
    post(ShopService::Legacy, "/legacy/import").with_text(line.repeat(rng.random_range(200..600)))
}

fn post(service: ShopService, path: &str) -> Call {
    Call::new(service, Method::POST, path.to_owned())
}

/// An order of this shopper; sometimes one that was never placed.
fn some_order(orders: &Orders, rng: &mut StdRng) -> u64 {
    if rng.random_ratio(1, 30) {
        return never_placed(rng);
    }
    let (old, new) = orders.as_slices();
    new.choose(rng).or_else(|| old.choose(rng)).copied().unwrap_or_else(|| rng.random_range(FIRST_ORDER..FIRST_ORDER + 100))
}

/// An id below [`FIRST_ORDER`], where ids start.
fn never_placed(rng: &mut StdRng) -> u64 {
    rng.random_range(1..FIRST_ORDER)
}
