//! The storefront service: pages, a style sheet, the cart and accounts.

use std::fmt::Write;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::demo::shop::catalogue::{Catalogue, Product};
use crate::demo::shop::latency::Latency;

/// The style sheet of the shop's pages.
const STYLE: &str = include_str!("storefront/app.css");

/// The ETag of the style sheet, so that a browser downloads it once.
const STYLE_TAG: &str = concat!("\"", env!("CARGO_PKG_VERSION"), "\"");

/// The number of products on the front page.
const SHOWN: usize = 96;

const HOME: Latency = Latency::around_ms(6, 0.5);
const PRODUCT: Latency = Latency::around_ms(11, 0.5);
const CART: Latency = Latency::around_ms(18, 0.4);
const LOGIN: Latency = Latency::around_ms(80, 0.25);
const ACCOUNT: Latency = Latency::around_ms(28, 0.4);

pub(super) fn routes(catalogue: Arc<Catalogue>) -> Router {
    Router::new()
        .route("/", get(home))
        .route("/products/{id}", get(product))
        .route("/assets/app.css", get(style))
        .route("/cart", get(cart))
        .route("/login", post(login))
        .route("/api/users/{id}", put(update_account))
        .with_state(catalogue)
}

async fn home(State(catalogue): State<Arc<Catalogue>>) -> Html<String> {
    HOME.pass().await;
    let mut tiles = String::new();
    for Product { id, name, price_cents, .. } in catalogue.products().iter().step_by(5).take(SHOWN) {
        let price = *price_cents as f64 / 100.0;
        writeln!(tiles, r#"<li><a href="/products/{id}">{name}</a> <span class="price">{price:.2} €</span></li>"#)
            .expect("a String takes any text");
    }
    Html(page("Things for a quiet house", &format!("<ul class=\"tiles\">\n{tiles}</ul>")))
}

async fn product(State(catalogue): State<Arc<Catalogue>>, Path(id): Path<u64>) -> Response {
    PRODUCT.pass().await;
    let Some(product) = catalogue.product(id) else {
        let sorry = page("No such product", "<p>We do not sell that. <a href=\"/\">See what we do sell.</a></p>");
        return (StatusCode::NOT_FOUND, Html(sorry)).into_response();
    };
    let price = product.price_cents as f64 / 100.0;
    let mut body =
        format!("<p class=\"price\">{price:.2} €, {} in stock</p>\n<h2>People also looked at</h2>\n<ul>", product.in_stock);
    let kind = product.name.rsplit(' ').next().unwrap_or_default();
    for Product { id, name, .. } in catalogue.find(kind) {
        writeln!(body, r#"<li><a href="/products/{id}">{name}</a></li>"#).expect("a String takes any text");
    }
    body.push_str("</ul>");
    Html(page(&product.name, &body)).into_response()
}

async fn style(headers: HeaderMap) -> Response {
    if headers.get(IF_NONE_MATCH).is_some_and(|tag| tag == STYLE_TAG) {
        return (StatusCode::NOT_MODIFIED, [(ETAG, STYLE_TAG)]).into_response();
    }
    ([(CONTENT_TYPE, "text/css; charset=utf-8"), (ETAG, STYLE_TAG), (CACHE_CONTROL, "no-cache")], STYLE).into_response()
}

async fn cart() -> Html<String> {
    CART.pass().await;
    Html(page("Your cart", "<p>Your cart is empty, for now. <a href=\"/\">Fill it.</a></p>"))
}

#[derive(Deserialize)]
struct Credentials {
    user: String,
    password: String,
}

/// Accepts a login if the password is the user's name backwards.
async fn login(Json(credentials): Json<Credentials>) -> Response {
    LOGIN.pass().await;
    let is_right = credentials.password.chars().eq(credentials.user.chars().rev());
    if is_right {
        Json(json!({"user": credentials.user, "session": format!("{:032x}", rand::random::<u128>())})).into_response()
    } else {
        (StatusCode::UNAUTHORIZED, Json(json!({"error": "the name or the password is wrong"}))).into_response()
    }
}

#[derive(Serialize, Deserialize)]
struct ShopAccount {
    name: String,
    address: String,
}

async fn update_account(Path(id): Path<u64>, Json(account): Json<ShopAccount>) -> Json<serde_json::Value> {
    ACCOUNT.pass().await;
    Json(json!({"id": id, "account": account}))
}

fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{title}</title>\
         <link rel=\"stylesheet\" href=\"/assets/app.css\"></head>\n<body>\n<header><a href=\"/\">The sample shop</a></header>\n\
         <main>\n<h1>{title}</h1>\n{body}\n</main>\n</body>\n</html>\n"
    )
}
