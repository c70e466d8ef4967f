//! `/api/v1/tap`: the events of a live stream of exchanges.

use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

use crate::history::Exchange;

/// The query parameters: which exchanges to stream.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct TapQuery {
    /// Only exchanges of this service.
    #[param(example = "legacy")]
    pub service: Option<String>,
    /// Only exchanges of this namespace.
    #[param(example = "default")]
    pub namespace: Option<String>,
    /// Only exchanges of this pod, by its name.
    #[param(example = "legacy-0")]
    pub pod: Option<String>,
    /// Only exchanges of this method, such as `GET`.
    #[param(example = "GET")]
    pub method: Option<String>,
    /// Only exchanges of this route, such as `/users/{id}`; `/api/*` matches every route that begins with `/api/`.
    #[param(example = "/legacy/*")]
    pub route: Option<String>,
    /// Only exchanges with these statuses, such as `5xx` or `5xx,404`.
    #[param(example = "5xx")]
    pub status: Option<String>,
    /// The maximum number of exchanges per second, 1 to 500; 50 by default. The others are counted.
    #[param(value_type = Option<u32>, example = 20)]
    pub limit_per_s: Option<String>,
}

/// `event: tap`: the tap is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TapOpened {
    /// The id of the tap.
    pub id: u64,
    /// The maximum number of exchanges per second.
    pub limit_per_s: u32,
}

/// `event: pod`: a pod was added to the tap, or removed from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TappedPod {
    /// Its namespace.
    pub namespace: String,
    /// Its service.
    pub service: String,
    /// Its name.
    pub pod: String,
    /// `tapped` or `gone`.
    pub state: String,
}

/// `event: exchange`: an exchange with its endpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TappedExchange {
    /// The service's namespace.
    pub namespace: String,
    /// The service.
    pub service: String,
    /// The method.
    pub method: String,
    /// The route.
    pub route: String,
    /// The exchange.
    #[serde(flatten)]
    pub exchange: Exchange,
}

/// `event: dropped`: counts of what was not shown since the tap was opened, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TapDropped {
    /// Exchanges over the requested rate.
    pub rate: u64,
    /// Exchanges dropped because a sidecar's queue was full.
    pub queue: u64,
    /// Exchanges that the client did not read in time.
    pub reader: u64,
    /// Exchanges that do not match the filter.
    pub unasked: u64,
    /// Pods that are not tapped, because there are too many.
    pub pods: u64,
}

impl TapDropped {
    /// The sum of exchanges over the reasons for a drop.
    pub fn exchanges(self) -> u64 {
        self.rate.saturating_add(self.queue).saturating_add(self.reader)
    }
}

/// `event: ended`: why the control plane has ended the tap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TapEnded {
    /// The reason in words.
    pub why: String,
}
