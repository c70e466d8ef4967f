//! The sample shop: four small HTTP services that the demo puts behind sidecars.

pub(crate) mod catalogue;
mod latency;
mod legacy;
pub(crate) mod orders;
mod payments;
mod search;
mod storefront;

use std::fmt;
use std::net::TcpListener;
use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use axum::routing::get;
use tokio_util::sync::CancellationToken;

use crate::demo::shop::catalogue::Catalogue;
use crate::demo::shop::legacy::Version;
use crate::demo::shop::orders::Orders;

/// The services of the shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ShopService {
    /// Pages, the cart and accounts.
    Storefront,
    /// Checkout, orders and refunds.
    Payments,
    /// Finds products.
    Search,
    /// Old exports, reports and imports.
    Legacy,
}

impl ShopService {
    /// All services.
    pub(crate) const ALL: [Self; 4] = [Self::Storefront, Self::Payments, Self::Search, Self::Legacy];

    /// The name of the service in the mesh.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Storefront => "storefront",
            Self::Payments => "payments",
            Self::Search => "search",
            Self::Legacy => "legacy",
        }
    }
}

impl fmt::Display for ShopService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// State that all instances share, as real ones share a database. Clones are handles to the same state.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shop {
    catalogue: Arc<Catalogue>,
    orders: Arc<Orders>,
}

impl Shop {
    /// Serves one instance of a service until drained.
    pub(crate) async fn serve(self, service: ShopService, listener: TcpListener, drain: CancellationToken) -> anyhow::Result<()> {
        let routes = match service {
            ShopService::Storefront => storefront::routes(self.catalogue),
            ShopService::Payments => payments::routes(self.orders),
            ShopService::Search => search::routes(self.catalogue),
            ShopService::Legacy => legacy::routes(&self.catalogue, Version::Flaky),
        };
        let routes: Router = routes.route("/healthz", get(async || "ok\n"));
        let listener = tokio::net::TcpListener::from_std(listener).context("take over a service's listener")?;
        axum::serve(listener, routes)
            .with_graceful_shutdown(drain.cancelled_owned())
            .await
            .with_context(|| format!("serve {service}"))
    }

    /// Serves the next version of the legacy service, for a split.
    pub(crate) async fn serve_mended_legacy(self, listener: TcpListener) -> anyhow::Result<()> {
        let listener = tokio::net::TcpListener::from_std(listener).context("take over a service's listener")?;
        axum::serve(listener, legacy::routes(&self.catalogue, Version::Mended)).await.context("serve the next version of legacy")
    }
}

#[cfg(test)]
mod tests;
