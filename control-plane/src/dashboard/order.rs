//! Sort orders of tables: the sort keys of rows, and the column headers that show and change the order.

use std::cmp::Ordering;

use crate::dashboard::live_values::keys::Key;
use crate::dashboard::live_values::values::Values;
use format::column::{EndpointColumn, PodColumn};

/// The raw values by which a row is sorted.
#[derive(Debug, Clone, Default)]
pub struct SortKeys {
    /// The key of "problems first".
    pub urgency: u8,
    /// Whether it comes last among rows of the same urgency.
    pub is_last: bool,
    /// Breaks ties, so that equal rows keep their order.
    pub name: [String; 3],
    /// The request rate, which orders rows of the same urgency.
    pub rps: f64,
    /// The values of the columns that the reader can sort by.
    pub values: Vec<(By, f64)>,
}

impl SortKeys {
    /// The value of a column; 0 if the row has none.
    fn value(&self, by: By) -> f64 {
        self.values.iter().find(|(known, _)| *known == by).map_or(0.0, |(_, value)| *value)
    }
}

/// A column of a table.
#[derive(Debug, Clone, Copy)]
pub struct SortColumn {
    /// What it is sorted by; `None` if it cannot be sorted by.
    pub by: Option<By>,
    /// Its name in a URL.
    pub name: &'static str,
    /// Its name on the page.
    pub title: &'static str,
    /// Its CSS classes.
    pub class: &'static str,
}

/// A column of a table, for a constant.
pub const fn column(by: Option<By>, name: &'static str, title: &'static str, class: &'static str) -> SortColumn {
    SortColumn { by, name, title, class }
}

/// What a column is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum By {
    /// The row's name.
    Name,
    /// A column of endpoints.
    Endpoint(EndpointColumn),
    /// A column of pods.
    Pod(PodColumn),
}

/// A sort direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SortDirection {
    /// Smallest first.
    Up,
    /// Largest first.
    Down,
}

/// An order of the rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum SortOrder {
    /// By urgency, with [`SortKeys::is_last`] after the others, then by request rate.
    #[default]
    Problems,
    /// By one column.
    By(By, SortDirection),
}

/// An order of the toolbar, with its names in a URL and on the page.
pub type NamedOrder = (SortOrder, &'static str, &'static str);

impl SortOrder {
    /// Parses an order: a name of the toolbar, or a column and a direction, `p99:down`.
    pub fn named(name: &str, toolbar: &[NamedOrder], columns: &[SortColumn]) -> Option<Self> {
        if let Some((order, ..)) = toolbar.iter().find(|(_, known, _)| *known == name) {
            return Some(*order);
        }
        let (name, direction) = name.split_once(':')?;
        let direction = match direction {
            "up" => SortDirection::Up,
            "down" => SortDirection::Down,
            _ => return None,
        };
        let column = columns.iter().find(|column| column.name == name)?;
        Some(Self::By(column.by?, direction))
    }

    /// The value of `aria-sort` for a column.
    pub fn aria(self, by: By) -> &'static str {
        match self {
            Self::By(sorted, SortDirection::Up) if sorted == by => "ascending",
            Self::By(sorted, SortDirection::Down) if sorted == by => "descending",
            _ => "none",
        }
    }

    /// The direction that a click on a column selects: names from A, numbers from the largest, then the reverse.
    pub fn next(self, by: By) -> &'static str {
        match (self.aria(by), by) {
            ("ascending", _) => "down",
            ("descending", _) | (_, By::Name) => "up",
            _ => "down",
        }
    }

    /// Compares two rows.
    pub fn compare(self, a: &SortKeys, b: &SortKeys) -> Ordering {
        let by = match self {
            Self::Problems => (b.urgency.cmp(&a.urgency)).then(a.is_last.cmp(&b.is_last)).then(b.rps.total_cmp(&a.rps)),
            Self::By(By::Name, SortDirection::Up) => a.name.cmp(&b.name),
            Self::By(By::Name, SortDirection::Down) => b.name.cmp(&a.name),
            Self::By(by, SortDirection::Up) => a.value(by).total_cmp(&b.value(by)),
            Self::By(by, SortDirection::Down) => b.value(by).total_cmp(&a.value(by)),
        };
        by.then_with(|| a.name.cmp(&b.name))
    }
}

/// The header of a column under an order.
#[derive(Debug)]
pub struct ColumnHead {
    /// Its name in a URL.
    pub name: &'static str,
    /// Its name on the page.
    pub title: &'static str,
    /// Its CSS classes.
    pub class: &'static str,
    /// `aria-sort` and the order that a click selects; `None` if the column cannot be sorted by.
    pub sort: Option<(&'static str, String)>,
}

/// The headers of the columns under an order.
pub fn heads(columns: &[SortColumn], order: SortOrder) -> Vec<ColumnHead> {
    let head = |column: &SortColumn| ColumnHead {
        name: column.name,
        title: column.title,
        class: column.class,
        sort: column.by.map(|by| (order.aria(by), format!("{}:{}", column.name, order.next(by)))),
    };
    columns.iter().map(head).collect()
}

/// The same as live values: which column is sorted, and what a click selects.
pub fn head_values(columns: &[SortColumn], order: SortOrder) -> Values {
    let heads = heads(columns, order);
    let sorted = heads.iter().filter_map(|head| head.sort.as_ref().map(|(aria, next)| (head.name, *aria, next)));
    Values::named(sorted.flat_map(|(name, aria, next)| [(Key::new(name, "sort"), aria), (Key::new(name, "next"), next)]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dashboard::overview::columns::{COLUMNS, ORDERS};
    use crate::dashboard::row::OverviewRow;
    use crate::dashboard::sample;

    fn named(name: &str) -> Option<SortOrder> {
        SortOrder::named(name, &ORDERS, &COLUMNS)
    }

    fn routes(order: SortOrder) -> Vec<String> {
        let snapshot = sample::snapshot();
        let mut rows: Vec<OverviewRow> = snapshot.endpoints.iter().map(|row| OverviewRow::of(row, sample::NOW_MS)).collect();
        rows.sort_by(|a, b| order.compare(&a.keys, &b.keys));
        rows.into_iter().map(|row| row.cells.route).collect()
    }

    #[test]
    fn problems_come_first_then_what_is_busiest_and_what_is_off_last() {
        let hostile = "/\"><script>alert(1)</script>";
        assert_eq!(
            routes(SortOrder::Problems),
            ["/api/checkout", "/api/search", "/legacy/export", "/products/{id}", hostile, "/legacy/report.pdf"]
        );
    }

    #[test]
    fn a_column_sorts_both_ways() {
        let down = routes(named("p95:down").unwrap());
        let mut up = routes(named("p95:up").unwrap());
        up.reverse();
        assert_eq!(down, up);
        assert_eq!(down[0], "/legacy/export");
    }

    #[test]
    fn an_unknown_order_is_none() {
        assert_eq!(named("p95"), None);
        assert_eq!(named("p95:sideways"), None);
        assert_eq!(named("traffic:up"), None);
        assert_eq!(named("busiest"), Some(SortOrder::By(By::Endpoint(EndpointColumn::Rps), SortDirection::Down)));
        assert_eq!(named("slowest"), named("p95:down"));
        assert_eq!(named("p95:down"), Some(SortOrder::By(By::Endpoint(EndpointColumn::P95), SortDirection::Down)));
    }

    #[test]
    fn the_second_click_turns_the_order_around() {
        let (order, rps) = (named("rps:down").unwrap(), By::Endpoint(EndpointColumn::Rps));
        assert_eq!((order.aria(rps), order.next(rps)), ("descending", "up"));
        assert_eq!((order.aria(By::Name), order.next(By::Name)), ("none", "up"));
    }
}
