//! The dashboard's HTTP routes: server-rendered pages that need no JavaScript, and the event streams that update them.

use std::sync::Arc;

use axum::Router;
use axum::http::Uri;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use crate::dashboard::page::PageError;
use crate::dashboard::state::SharedPages;
use crate::state::AppState;

pub mod assets;
pub mod attention;
pub mod attention_cells;
pub mod audit;
pub mod chart;
pub mod comparison;
pub mod csv;
pub mod curl;
pub mod decorators;
pub mod endpoint;
pub mod escape;
pub mod events;
pub mod fault;

pub mod frame;
pub mod heading;
pub mod health;
pub mod history;
pub mod impact;
pub mod live_frame;
pub mod live_values;
pub mod map;
pub mod notices;
pub mod onboarding;
pub mod order;
pub mod overview;
pub mod page;
pub mod patch;
pub mod pin;
pub mod pods;
pub mod progress;
pub mod query;
pub mod range;
pub mod replicas;
mod request;
pub mod root;
pub mod row;
pub mod shared;
pub mod spark;
pub mod state;
pub mod stream;
pub mod switch;
pub mod tap;
pub mod tiles;
pub mod toggle;
pub mod topic;
pub mod zone;

#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;

/// The routes of the dashboard's pages, event streams and assets.
pub fn pages(state: Arc<AppState>) -> Router {
    Router::new()
        .route("/", get(overview::overview))
        .route("/endpoints/{id}", get(endpoint::endpoint))
        .route("/endpoints/{id}/requests", get(endpoint::requests))
        .route("/endpoints/{id}/csv/{table}", get(endpoint::files::table))
        .route("/endpoints/{id}/impact", get(impact::impact))
        .route("/endpoints/{id}/off", post(toggle::off))
        .route("/endpoints/{id}/on", post(toggle::on))
        .route("/endpoints/{id}/pin", get(pin::preview).post(pin::pin))
        .route("/pins/{rule}/unpin", post(pin::unpin))
        .route("/tap", get(tap::tap))
        .route("/tap/events", get(tap::events))
        .route("/endpoints.csv", get(overview::file::csv))
        .route("/rules/{id}/progress", get(toggle::progress))
        .route("/rules/{id}/end", post(audit::end))
        .route("/pods", get(pods::pods))
        .route("/pods.csv", get(pods::csv))
        .route("/notices", get(notices::notices))
        .route("/map", get(map::map))
        .route("/map.csv", get(map::file::csv))
        .route("/audit", get(audit::audit))
        .route("/audit.csv", get(audit::csv))
        .route("/decorators", get(decorators::list).post(decorators::create))
        .route("/decorators/{id}/end", post(decorators::end))
        .route("/events", get(events::events))
        .route("/events/shared", get(shared::events))
        .route("/static/{version}/{file}", get(assets::versioned))
        .route("/static/{file}", get(assets::unversioned))
        .route(assets::ICON, get(assets::favicon))
        .fallback(nothing_here)
        .layer(middleware::from_fn(fault::explain))
        .layer(middleware::from_fn(page::finish))
        .with_state(Arc::new(SharedPages::new(state)))
}

/// Whether this path is an HTML page, not data, a file or a stream.
pub fn is_page(path: &str) -> bool {
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    matches!(
        *segments,
        ["" | "pods" | "notices" | "map" | "audit" | "decorators" | "tap" | "account"]
            | ["endpoints", _]
            | ["endpoints", _, "pin"]
    )
}

async fn nothing_here(uri: Uri) -> Response {
    if uri.path().starts_with(assets::FOLDER) {
        return assets::no_such_file();
    }
    PageError::not_found("There is no page at this address. It may be mistyped, or the page has moved.").into_response()
}
