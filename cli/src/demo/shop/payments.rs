//! The payments service: orders, refunds, and a checkout that fails sometimes, as a bank does.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use rand::RngExt;
use serde::Deserialize;
use serde_json::json;

use crate::demo::shop::latency::Latency;
use crate::demo::shop::orders::{OrderForm, Orders};

/// The rates at which the bank fails and at which it does not answer: together 3.5 % of all checkouts.
const BANK_FAILS: f64 = 0.02;
const BANK_IS_SILENT: f64 = 0.015;

/// How long a checkout waits for the bank.
const BANK_PATIENCE: Duration = Duration::from_millis(800);

/// The number of orders in a list.
const LISTED: usize = 250;

const CHECKOUT: Latency = Latency::around_ms(95, 0.5);
const REFUND: Latency = Latency::around_ms(170, 0.3);
const ORDER: Latency = Latency::around_ms(16, 0.5);
const ORDER_LIST: Latency = Latency::around_ms(100, 0.4);
const ORDER_WRITE: Latency = Latency::around_ms(48, 0.4);

pub(super) fn routes(orders: Arc<Orders>) -> Router {
    Router::new()
        .route("/api/checkout", post(checkout))
        .route("/api/refunds", post(refund))
        .route("/api/orders", get(list).post(place))
        .route("/api/orders/{id}", get(show).delete(cancel))
        .with_state(orders)
}

#[derive(Deserialize)]
struct Payment {
    card: String,
    amount_cents: u64,
}

async fn checkout(Json(payment): Json<Payment>) -> Response {
    CHECKOUT.pass().await;
    if payment.amount_cents == 0 {
        return refusal(StatusCode::UNPROCESSABLE_ENTITY, "there is nothing to pay");
    }
    if payment.card.ends_with('0') {
        return refusal(StatusCode::PAYMENT_REQUIRED, "the card was declined");
    }
    let luck: f64 = rand::rng().random();
    if luck < BANK_FAILS {
        return refusal(StatusCode::BAD_GATEWAY, "the bank has trouble of its own");
    }
    if luck < BANK_FAILS + BANK_IS_SILENT {
        tokio::time::sleep(BANK_PATIENCE).await;
        return refusal(StatusCode::GATEWAY_TIMEOUT, "the bank did not answer");
    }
    let receipt = format!("{:016x}", rand::random::<u64>());
    (StatusCode::CREATED, Json(json!({"receipt": receipt, "amount_cents": payment.amount_cents}))).into_response()
}

#[derive(Deserialize)]
struct Refund {
    order: u64,
    reason: String,
}

async fn refund(State(orders): State<Arc<Orders>>, Json(refund): Json<Refund>) -> Response {
    REFUND.pass().await;
    match orders.find(refund.order) {
        Some(order) => (StatusCode::ACCEPTED, Json(json!({"order": order.id, "reason": refund.reason}))).into_response(),
        None => refusal(StatusCode::NOT_FOUND, "no such order"),
    }
}

async fn list(State(orders): State<Arc<Orders>>) -> Response {
    ORDER_LIST.pass().await;
    Json(orders.newest(LISTED)).into_response()
}

async fn place(State(orders): State<Arc<Orders>>, Json(wish): Json<OrderForm>) -> Response {
    ORDER_WRITE.pass().await;
    (StatusCode::CREATED, Json(orders.place(wish))).into_response()
}

async fn show(State(orders): State<Arc<Orders>>, Path(id): Path<u64>) -> Response {
    ORDER.pass().await;
    match orders.find(id) {
        Some(order) => Json(order).into_response(),
        None => refusal(StatusCode::NOT_FOUND, "no such order"),
    }
}

async fn cancel(State(orders): State<Arc<Orders>>, Path(id): Path<u64>) -> Response {
    ORDER_WRITE.pass().await;
    match orders.cancel(id) {
        Some(_) => StatusCode::NO_CONTENT.into_response(),
        None => refusal(StatusCode::NOT_FOUND, "no such order"),
    }
}

fn refusal(status: StatusCode, error: &str) -> Response {
    (status, Json(json!({"error": error}))).into_response()
}
