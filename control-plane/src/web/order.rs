//! In which order the overview lists endpoints.

use std::cmp::Ordering;

use crate::snapshot::EndpointRow;
use crate::web::judge::Verdict;

/// The raw values behind a row, by which it is sorted.
#[derive(Debug, Clone, Default)]
pub struct SortKeys {
    urgency: u8,
    off: bool,
    name: (String, String, String),
    numbers: [f64; Column::NUMBERS],
}

impl SortKeys {
    /// The keys of an endpoint. What is missing sorts below everything.
    pub fn of(row: &EndpointRow, verdict: &Verdict) -> Self {
        let now = &row.now;
        let quantile = |q: f64| now.quantile_us(q).unwrap_or(-1.0);
        let serving = row.pods.iter().filter(|pod| pod.state == crate::snapshot::ServingState::Serving).count();
        let numbers = [
            row.rps,
            now.hits as f64,
            now.mean_us().unwrap_or(-1.0),
            quantile(0.5),
            quantile(0.95),
            quantile(0.99),
            verdict.failing_ratio,
            crate::web::judge::ratio(now.class(4), now.served()),
            now.bytes_out as f64 / now.hits.max(1) as f64,
            row.last_seen_ms.unwrap_or(0) as f64,
            serving as f64,
            f64::from(u8::from(verdict.off)) + f64::from(u8::from(verdict.waiting)) * 2.0,
        ];
        let name = (row.endpoint.route().into(), row.endpoint.method().into(), row.service.clone());
        Self { urgency: verdict.urgency(), off: verdict.off, name, numbers }
    }
}

/// A column that can be sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// The endpoint's route, method and service.
    Endpoint,
    /// A number, by its place in [`SortKeys`].
    Number(usize),
}

impl Column {
    const NUMBERS: usize = 12;
    /// Requests per second.
    pub const RPS: Self = Self::Number(0);
    /// The 95th percentile.
    pub const P95: Self = Self::Number(4);

    /// Every column of the table with its name in a URL, its title, and its classes. The sparkline cannot be sorted by.
    pub const EACH: [(Option<Self>, &'static str, &'static str, &'static str); 14] = [
        (Some(Self::Endpoint), "endpoint", "Endpoint", ""),
        (None, "traffic", "Traffic", ""),
        (Some(Self::RPS), "rps", "Req/s", "r"),
        (Some(Self::Number(1)), "hits", "Hits", "r opt"),
        (Some(Self::Number(2)), "avg", "Avg", "r opt"),
        (Some(Self::Number(3)), "p50", "p50", "r"),
        (Some(Self::P95), "p95", "p95", "r"),
        (Some(Self::Number(5)), "p99", "p99", "r"),
        (Some(Self::Number(6)), "5xx", "5xx", "r"),
        (Some(Self::Number(7)), "4xx", "4xx", "r opt"),
        (Some(Self::Number(8)), "payload", "Payload in → out", "r opt"),
        (Some(Self::Number(9)), "seen", "Last seen", "r"),
        (Some(Self::Number(10)), "serving", "Serving", ""),
        (Some(Self::Number(11)), "state", "State", ""),
    ];

    fn named(name: &str) -> Option<Self> {
        Self::EACH.iter().find(|(_, known, _, _)| *known == name).and_then(|(column, ..)| *column)
    }
}

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Smallest first.
    Up,
    /// Largest first.
    Down,
}

/// An order of the rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// What is worst, then what is busiest; what is off comes last.
    #[default]
    Problems,
    /// By one column.
    By(Column, Direction),
}

impl Order {
    /// The orders of the toolbar, with their names in a URL and on the page.
    pub const EACH: [(Self, &'static str, &'static str); 4] = [
        (Self::Problems, "problems", "Problems first"),
        (Self::By(Column::RPS, Direction::Down), "busiest", "Busiest first"),
        (Self::By(Column::P95, Direction::Down), "slowest", "Slowest first"),
        (Self::By(Column::Endpoint, Direction::Up), "name", "By name"),
    ];

    /// The order of that name: one of the toolbar's, or a column and a direction, `p99:down`.
    pub fn named(name: &str) -> Option<Self> {
        if let Some((order, ..)) = Self::EACH.iter().find(|(_, known, _)| *known == name) {
            return Some(*order);
        }
        let (column, direction) = name.split_once(':')?;
        let direction = match direction {
            "up" => Direction::Up,
            "down" => Direction::Down,
            _ => return None,
        };
        Some(Self::By(Column::named(column)?, direction))
    }

    /// What `aria-sort` says of a column.
    pub fn aria(self, column: Column) -> &'static str {
        match self {
            Self::By(by, Direction::Up) if by == column => "ascending",
            Self::By(by, Direction::Down) if by == column => "descending",
            _ => "none",
        }
    }

    /// The direction in which a click on a column sorts: names from A, numbers from the largest, and the second click the other way.
    pub fn next(self, column: Column) -> &'static str {
        match (self.aria(column), column) {
            ("ascending", _) => "down",
            ("descending", _) | (_, Column::Endpoint) => "up",
            _ => "down",
        }
    }

    /// Which of two rows comes first. Names break ties, so that equals do not dance.
    pub fn compare(self, a: &SortKeys, b: &SortKeys) -> Ordering {
        let by = match self {
            Self::Problems => (b.urgency.cmp(&a.urgency)).then(a.off.cmp(&b.off)).then(b.numbers[0].total_cmp(&a.numbers[0])),
            Self::By(Column::Endpoint, Direction::Up) => a.name.cmp(&b.name),
            Self::By(Column::Endpoint, Direction::Down) => b.name.cmp(&a.name),
            Self::By(Column::Number(at), Direction::Up) => a.numbers[at].total_cmp(&b.numbers[at]),
            Self::By(Column::Number(at), Direction::Down) => b.numbers[at].total_cmp(&a.numbers[at]),
        };
        by.then_with(|| a.name.cmp(&b.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::row::Row;
    use crate::web::sample;

    fn routes(order: Order) -> Vec<String> {
        let snapshot = sample::snapshot();
        let mut rows: Vec<Row> = snapshot.endpoints.iter().map(|row| Row::of(row, sample::NOW_MS)).collect();
        rows.sort_by(|a, b| order.compare(&a.keys, &b.keys));
        rows.into_iter().map(|row| row.cells.route).collect()
    }

    #[test]
    fn problems_come_first_then_what_is_busiest_and_what_is_off_last() {
        let hostile = "/\"><script>alert(1)</script>";
        assert_eq!(
            routes(Order::Problems),
            ["/api/checkout", "/api/search", "/legacy/export", "/products/{id}", hostile, "/legacy/report.pdf"]
        );
    }

    #[test]
    fn a_column_sorts_both_ways() {
        let down = routes(Order::named("p95:down").unwrap());
        let mut up = routes(Order::named("p95:up").unwrap());
        up.reverse();
        assert_eq!(down, up);
        assert_eq!(down[0], "/legacy/export");
    }

    #[test]
    fn an_unknown_order_is_none() {
        assert_eq!(Order::named("p95"), None);
        assert_eq!(Order::named("p95:sideways"), None);
        assert_eq!(Order::named("traffic:up"), None);
        assert_eq!(Order::named("busiest"), Some(Order::By(Column::RPS, Direction::Down)));
    }

    #[test]
    fn the_second_click_turns_the_order_around() {
        let order = Order::named("rps:down").unwrap();
        assert_eq!((order.aria(Column::RPS), order.next(Column::RPS)), ("descending", "up"));
        assert_eq!((order.aria(Column::Endpoint), order.next(Column::Endpoint)), ("none", "up"));
    }
}
