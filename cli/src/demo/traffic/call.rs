//! One request of the shoppers, and the endpoint under which the mesh should count it.

use bytes::Bytes;
use mesh::endpoint::Endpoint;
use mesh::routes::write_route;
use reqwest::Method;

use crate::demo::shop::ShopService;

/// One request, and the endpoint under which the mesh should count it.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// The calling service; `None` for a shopper.
    pub(crate) from: Option<ShopService>,
    pub(crate) service: ShopService,
    pub(crate) endpoint: Endpoint,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: Vec<(&'static str, &'static str)>,
    pub(crate) body: Option<Bytes>,
}

impl Call {
    pub(crate) fn new(service: ShopService, method: Method, path: String) -> Self {
        let mut route = String::new();
        write_route(&path, &mut route);
        let endpoint = Endpoint::named(method.as_str(), &route).expect("shoppers ask for well-formed paths");
        Self { from: asker(service, &path), service, endpoint, method, path, headers: Vec::new(), body: None }
    }

    pub(super) fn with_header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(super) fn with_json(mut self, body: &serde_json::Value) -> Self {
        self.body = Some(body.to_string().into());
        self.with_header("content-type", "application/json")
    }

    pub(super) fn with_text(mut self, body: String) -> Self {
        self.body = Some(body.into());
        self.with_header("content-type", "text/csv; charset=utf-8")
    }
}

/// The caller of a path: shoppers call only the storefront; services call everything else on their behalf.
fn asker(service: ShopService, path: &str) -> Option<ShopService> {
    match service {
        // Probes come from outside, like those of a kubelet.
        _ if path == "/healthz" => None,
        ShopService::Storefront => None,
        ShopService::Payments | ShopService::Search => Some(ShopService::Storefront),
        ShopService::Legacy if path == "/legacy/import" => Some(ShopService::Search),
        ShopService::Legacy => Some(ShopService::Payments),
    }
}
