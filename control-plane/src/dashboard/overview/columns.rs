//! The columns of the overview's table, and the orders that it offers.

use crate::dashboard::order::{By, NamedOrder, SortColumn, SortDirection, SortOrder, column};

/// The sort key of the request rate.
pub const RPS: By = By::Number(0);

/// The sort key of the 95th percentile.
pub const P95: By = By::Number(4);

/// The columns of the table. The sparkline cannot be sorted by.
pub const COLUMNS: [SortColumn; 14] = [
    column(Some(By::Name), "endpoint", "Endpoint", ""),
    column(None, "traffic", "Traffic", ""),
    column(Some(RPS), "rps", "Req/s", "r"),
    column(Some(By::Number(1)), "hits", "Hits", "r opt"),
    column(Some(By::Number(2)), "avg", "Avg", "r opt"),
    column(Some(By::Number(3)), "p50", "p50", "r"),
    column(Some(P95), "p95", "p95", "r"),
    column(Some(By::Number(5)), "p99", "p99", "r"),
    column(Some(By::Number(6)), "5xx", "5xx", "r"),
    column(Some(By::Number(7)), "4xx", "4xx", "r opt"),
    column(Some(By::Number(8)), "payload", "Payload in → out", "r opt"),
    column(Some(By::Number(9)), "seen", "Last seen", "r"),
    column(Some(By::Number(10)), "serving", "Serving", ""),
    column(Some(By::Number(11)), "state", "State", ""),
];

/// The orders of the toolbar.
pub const ORDERS: [NamedOrder; 4] = [
    (SortOrder::Problems, "problems", "Problems first"),
    (SortOrder::By(RPS, SortDirection::Down), "busiest", "Busiest first"),
    (SortOrder::By(P95, SortDirection::Down), "slowest", "Slowest first"),
    (SortOrder::By(By::Name, SortDirection::Up), "name", "By name"),
];
