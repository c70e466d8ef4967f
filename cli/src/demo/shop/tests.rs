//! Tests of the shop's services without sidecars.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use rand::SeedableRng;
use rand::rngs::StdRng;
use reqwest::{Client, Response};
use tokio::task::JoinSet;

use crate::demo::shop::*;
use crate::demo::traffic::call::Call;
use crate::demo::traffic::mix::Shopper;
use crate::ports::listen_anywhere;

/// Enough calls to reach every endpoint, and few enough at once for the usual limit of 1024 descriptors.
const ROUNDS: usize = 6;
const AT_ONCE: usize = 150;

/// A running shop, until it is dropped.
struct Open {
    client: Client,
    doors: BTreeMap<ShopService, SocketAddr>,
    _services: JoinSet<anyhow::Result<()>>,
}

impl Open {
    fn shop() -> Self {
        let (shop, mut services, mut doors) = (Shop::default(), JoinSet::new(), BTreeMap::new());
        for service in ShopService::ALL {
            let (listener, address) = listen_anywhere().unwrap();
            services.spawn(shop.clone().serve(service, listener, CancellationToken::new()));
            doors.insert(service, address);
        }
        Self { client: api::client::trust::plain().no_proxy().build().unwrap(), doors, _services: services }
    }

    async fn answer(&self, call: &Call) -> Response {
        let url = format!("http://{}{}", self.doors[&call.service], call.path);
        let mut request = self.client.request(call.method.clone(), url).body(call.body.clone().unwrap_or_default());
        for (name, value) in &call.headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }

    async fn get(&self, service: ShopService, path: &str) -> Response {
        self.client.get(format!("http://{}{path}", self.doors[&service])).send().await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_is_answered_and_only_the_expected_ones_with_errors() {
    let shop = Arc::new(Open::shop());
    let (mut rng, mut shopper) = (StdRng::seed_from_u64(7), Shopper::default());

    let mut statuses: BTreeMap<String, BTreeSet<u16>> = BTreeMap::new();
    for _ in 0..ROUNDS {
        let mut calls = JoinSet::new();
        for _ in 0..AT_ONCE {
            let (shop, call) = (Arc::clone(&shop), shopper.next_call(&mut rng));
            calls.spawn(async move { (call.endpoint.to_string(), shop.answer(&call).await.status().as_u16()) });
        }
        for (endpoint, status) in calls.join_all().await {
            statuses.entry(endpoint).or_default().insert(status);
        }
    }

    let allowed: BTreeMap<&str, &[u16]> = [
        ("GET /products/{id}", &[200, 404][..]),
        ("GET /assets/app.css", &[200, 304]),
        ("POST /login", &[200, 401]),
        ("POST /api/checkout", &[201, 402, 422, 502, 504]),
        ("POST /api/orders", &[201]),
        ("GET /api/orders/{id}", &[200, 404]),
        ("DELETE /api/orders/{id}", &[204, 404]),
        ("POST /api/refunds", &[202, 404]),
        ("POST /legacy/import", &[202]),
    ]
    .into();
    for (endpoint, statuses) in &statuses {
        let allowed = allowed.get(endpoint.as_str()).copied().unwrap_or(&[200]);
        assert!(statuses.iter().all(|status| allowed.contains(status)), "{endpoint} answered {statuses:?}");
    }
    assert!(statuses["POST /api/checkout"].contains(&201) && statuses["GET /products/{id}"].contains(&404));
}

#[tokio::test]
async fn pages_name_the_style_sheet_that_is_really_there() {
    let shop = Open::shop();
    assert!(shop.get(ShopService::Storefront, "/").await.text().await.unwrap().contains("/assets/app.css"));
    let style = shop.get(ShopService::Storefront, "/assets/app.css").await;
    assert_eq!(style.headers()["content-type"], "text/css; charset=utf-8");
    assert!(style.text().await.unwrap().contains(":root"));
}

#[tokio::test]
async fn an_export_is_a_megabyte_of_unknown_length() {
    let export = Open::shop().get(ShopService::Legacy, "/legacy/export").await;
    assert_eq!(export.content_length(), None);
    assert!(export.bytes().await.unwrap().len() >= 1_000_000);
}
