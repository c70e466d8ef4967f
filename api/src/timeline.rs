//! `/api/v1/timeline`: the metrics of endpoints over a window, in steps, and in the window before.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::openapi::{KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat, Type};
use utoipa::{IntoParams, PartialSchema, ToSchema};

/// The query parameters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct TimelineQuery {
    /// Only the endpoint of this id.
    #[param(example = "ef25efbf1f03e")]
    pub endpoint: Option<String>,
    /// Only endpoints of this namespace.
    #[param(example = "default")]
    pub namespace: Option<String>,
    /// Only endpoints of this service.
    #[param(example = "legacy")]
    pub service: Option<String>,
    /// Only endpoints of this method.
    #[param(example = "GET")]
    pub method: Option<String>,
    /// Only endpoints of this route.
    #[param(example = "/legacy/export")]
    pub route: Option<String>,
    /// The window, 1m to 90d, such as `24h`; 1h by default.
    #[param(example = "5m")]
    pub window: Option<String>,
    /// The end of the window, such as `2026-01-31T12:00:00Z`; now by default.
    #[param(example = "2026-11-21T15:15:00Z")]
    pub to: Option<String>,
    /// `before`: also return the window before, and the change.
    #[param(example = "before")]
    pub vs: Option<String>,
}

/// The metrics of one or many endpoints over a window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Timeline {
    /// The window as requested.
    pub window: String,
    /// The start of the window.
    #[schema(format = DateTime)]
    pub from: String,
    /// The end of the window.
    #[schema(format = DateTime)]
    pub to: String,
    /// The length of a step in seconds.
    pub step_s: u64,
    /// The seconds of the window that lie within the stored history.
    pub covered_s: f64,
    /// The number of endpoints whose metrics are summed.
    pub endpoints: u64,
    /// The metrics of the whole window.
    pub whole: TimelineMetrics,
    /// The metrics of the window before; null if it was not requested, or if it is not stored completely.
    pub before: Option<TimelineMetrics>,
    /// The change from the window before in percent, by metric; null for a metric that was zero before.
    pub change_percent: Option<BTreeMap<String, Option<f64>>>,
    /// The steps, oldest first.
    pub points: Vec<TimelinePoint>,
}

/// The metrics of one step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TimelinePoint {
    /// The start of the step.
    pub at: String,
    /// Its metrics.
    #[serde(flatten)]
    pub metrics: TimelineMetrics,
}

/// One flat schema. The derived one would be an `allOf` of two, of which code generators make two types.
impl PartialSchema for TimelinePoint {
    fn schema() -> RefOr<Schema> {
        let mut schema = TimelineMetrics::schema();
        if let RefOr::T(Schema::Object(object)) = &mut schema {
            let format = SchemaFormat::KnownFormat(KnownFormat::DateTime);
            let at = ObjectBuilder::new().schema_type(Type::String).format(Some(format));
            object.properties.insert("at".to_owned(), at.description(Some("The start of the step.")).into());
            object.description = Some("The metrics of one step.".to_owned());
        }
        schema
    }
}

impl ToSchema for TimelinePoint {}

/// Metrics of a stretch of time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TimelineMetrics {
    /// Requests, including those that a rule answered.
    pub hits: u64,
    /// Requests that a rule answered.
    pub by_rule: u64,
    /// Requests that failed in the service.
    pub failed: u64,
    /// Requests that failed in the sidecar.
    pub failed_by_sitio: u64,
    /// Responses with a 4xx status.
    pub status_4xx: u64,
    /// Responses with a 5xx status.
    pub status_5xx: u64,
    /// Mean latency; null if nothing was timed.
    pub avg_ms: Option<f64>,
    /// Median latency, within 4.4 %.
    pub p50_ms: Option<f64>,
    /// The 95th percentile of latency, within 4.4 %.
    pub p95_ms: Option<f64>,
    /// The 99th percentile of latency, within 4.4 %.
    pub p99_ms: Option<f64>,
    /// The longest latency.
    pub max_ms: Option<f64>,
    /// Bytes of request bodies.
    pub bytes_in: u64,
    /// Bytes of response bodies.
    pub bytes_out: u64,
}
