//! `/api/v1/endpoints/{id}/history`: the recent exchanges that the pods of an endpoint keep.

use mesh::exchange::Outcome;
use serde::{Deserialize, Serialize};
use utoipa::openapi::{ObjectBuilder, Type};
use utoipa::{IntoParams, ToSchema};

/// The query parameters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct HistoryQuery {
    /// Only these statuses, such as `5xx` or `5xx,404`.
    #[param(example = "2xx,503")]
    pub status: Option<String>,
    /// Empty or `true`: the slowest first instead of the newest.
    #[param(example = "true")]
    pub slowest: Option<String>,
    /// Only exchanges of this pod.
    #[param(example = "legacy-0")]
    pub pod: Option<String>,
    /// The maximum number of exchanges, 1 to 1000; 50 by default.
    #[param(value_type = Option<u32>, example = 2)]
    pub limit: Option<String>,
}

/// The exchanges of an endpoint, merged over its pods.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct History {
    /// The endpoint's id.
    pub id: String,
    /// The service's namespace.
    pub namespace: String,
    /// The service.
    pub service: String,
    /// The method.
    pub method: String,
    /// The route.
    pub route: String,
    /// When the pods were asked.
    #[schema(format = DateTime)]
    pub taken_at: String,
    /// The exchanges.
    pub exchanges: Vec<Exchange>,
    /// The pods that have answered.
    pub pods: Vec<String>,
    /// The pods that have not answered.
    pub missing: Vec<String>,
    /// Pods over the limit of 256, which were not asked.
    pub not_asked: u64,
}

/// One exchange.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Exchange {
    /// When it began.
    #[schema(format = DateTime)]
    pub started: String,
    /// The same time, milliseconds since the Unix epoch.
    pub started_ms: u64,
    /// The requested path, cut at 256 bytes; without the query unless the sidecar has `SITIO_HISTORY_QUERY=keep`.
    pub path: String,
    /// The status; 0 for a TCP pass-through connection.
    pub status: u16,
    /// The reason phrase.
    pub reason: String,
    /// How it ended, and by which side: the value of `X-Sitio-Error` where that header applies.
    #[schema(schema_with = outcomes)]
    pub outcome: String,
    /// From the request's head to the response's last byte.
    pub took_ms: f64,
    /// From the request's head to the response's first byte; null if the service did not answer.
    pub first_byte_ms: Option<f64>,
    /// Bytes of the request's body.
    pub bytes_in: u64,
    /// Bytes of the response's body.
    pub bytes_out: u64,
    /// The pod.
    pub pod: String,
    /// Whether the pod does not answer now, and had reported this failure before.
    pub told_before: bool,
    /// The caller's address.
    pub caller: Option<String>,
    /// The trace id of the request's `traceparent`.
    pub trace_id: Option<String>,
    /// The id of the rule that answered.
    pub rule: Option<String>,
}

fn outcomes() -> ObjectBuilder {
    let words = Outcome::EACH.map(Outcome::word);
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words))
}
