//! The columns of the overview's table, and the orders that it offers.

use format::column::EndpointColumn;

use crate::dashboard::order::{By, NamedOrder, SortColumn, SortDirection, SortOrder, column};

/// The columns of the table. The sparkline cannot be sorted by.
pub const COLUMNS: [SortColumn; 14] = [
    column(Some(By::Name), "endpoint", "Endpoint", ""),
    column(None, "traffic", "Traffic", ""),
    column(Some(By::Endpoint(EndpointColumn::Rps)), "rps", "Req/s", "r"),
    column(Some(By::Endpoint(EndpointColumn::Hits)), "hits", "Hits", "r opt"),
    column(Some(By::Endpoint(EndpointColumn::Avg)), "avg", "Avg", "r opt"),
    column(Some(By::Endpoint(EndpointColumn::P50)), "p50", "p50", "r"),
    column(Some(By::Endpoint(EndpointColumn::P95)), "p95", "p95", "r"),
    column(Some(By::Endpoint(EndpointColumn::P99)), "p99", "p99", "r"),
    column(Some(By::Endpoint(EndpointColumn::FailingRatio)), "5xx", "5xx", "r"),
    column(Some(By::Endpoint(EndpointColumn::ClientErrorRatio)), "4xx", "4xx", "r opt"),
    column(Some(By::Endpoint(EndpointColumn::BytesOut)), "payload", "Payload in → out", "r opt"),
    column(Some(By::Endpoint(EndpointColumn::LastSeen)), "seen", "Last seen", "r"),
    column(Some(By::Endpoint(EndpointColumn::Pods)), "serving", "Serving", ""),
    column(Some(By::Endpoint(EndpointColumn::State)), "state", "State", ""),
];

/// The orders of the toolbar.
pub const ORDERS: [NamedOrder; 4] = [
    (SortOrder::Problems, "problems", "Problems first"),
    (SortOrder::By(By::Endpoint(EndpointColumn::Rps), SortDirection::Down), "busiest", "Busiest first"),
    (SortOrder::By(By::Endpoint(EndpointColumn::P95), SortDirection::Down), "slowest", "Slowest first"),
    (SortOrder::By(By::Name, SortDirection::Up), "name", "By name"),
];
