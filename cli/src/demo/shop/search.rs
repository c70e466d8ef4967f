//! The search service: finds products, and suggests names while a customer types.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::demo::shop::catalogue::Catalogue;
use crate::demo::shop::latency::Latency;

/// The largest number of products on a page of results.
const RESULTS_MAX: usize = 60;

/// The largest number of suggested names.
const SUGGESTIONS_MAX: usize = 8;

const SEARCH: Latency = Latency::around_ms(45, 0.6);
const SUGGEST: Latency = Latency::around_ms(4, 0.5);

#[derive(Deserialize)]
struct SearchQuery {
    #[serde(default)]
    q: String,
}

pub(super) fn routes(catalogue: Arc<Catalogue>) -> Router {
    Router::new().route("/api/search", get(search)).route("/api/suggest", get(suggest)).with_state(catalogue)
}

async fn search(State(catalogue): State<Arc<Catalogue>>, Query(search): Query<SearchQuery>) -> Json<Value> {
    SEARCH.pass().await;
    let found: Vec<_> = catalogue.find(&search.q).collect();
    Json(json!({"query": search.q, "found": found.len(), "products": &found[..found.len().min(RESULTS_MAX)]}))
}

async fn suggest(State(catalogue): State<Arc<Catalogue>>, Query(search): Query<SearchQuery>) -> Json<Vec<String>> {
    SUGGEST.pass().await;
    Json(catalogue.find(&search.q).take(SUGGESTIONS_MAX).map(|product| product.name.clone()).collect())
}
