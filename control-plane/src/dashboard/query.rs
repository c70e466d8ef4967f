//! The query parameters of dashboard pages: window, filter and order.

use std::time::Duration;

use serde::Deserialize;

use crate::dashboard::health::HealthFilter;
use crate::dashboard::order::{NamedOrder, SortColumn, SortOrder};
use crate::dashboard::overview::columns::{COLUMNS, ORDERS};
use crate::dashboard::pods::row::encoded;
use crate::dashboard::row::OverviewRow;
use crate::model::window::{QueryWindow, Range};
use format::time;

/// A range longer than this shows its times with their day.
const DAYS_FROM_MS: u64 = 2 * 86_400_000;

/// A query string as received. A missing or unknown value means the default: a bad link still shows the page.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ViewQuery {
    /// Which page a stream is for; empty for the overview.
    pub page: String,
    /// The id of what the page shows, such as an endpoint.
    pub id: String,
    /// The window.
    pub window: String,
    /// The beginning of a range: RFC 3339, Unix milliseconds, or a time in the reader's zone.
    pub from: String,
    /// Its end, in the same forms; now if it is empty.
    pub to: String,
    /// The filter.
    pub show: String,
    /// Only this service.
    pub service: String,
    /// Only rows that contain this text.
    pub find: String,
    /// The author, in the audit log.
    pub by: String,
    /// The period, in the audit log.
    pub period: String,
    /// Only entries before this one, in the audit log.
    pub before: String,
    /// The grouping of pods or services.
    pub group: String,
    /// Only this namespace, on the map.
    pub namespace: String,
    /// Only this service and its neighbours, on the map.
    pub focus: String,
    /// The toolbar's order.
    pub order: String,
    /// A column and a direction; it takes precedence over the toolbar's order.
    pub sort: String,
}

impl ViewQuery {
    /// The requested order.
    pub fn order(&self, toolbar: &[NamedOrder], columns: &[SortColumn]) -> SortOrder {
        // A click on a column header adds `sort` and keeps the toolbar's `order`.
        let named = |name: &str| SortOrder::named(name, toolbar, columns);
        named(&self.sort).or_else(|| named(&self.order)).unwrap_or_default()
    }

    /// The address of `path` with the same parameters; `before` limits a log to the entries before one.
    pub fn address(&self, path: &str, before: &str) -> String {
        let parts = [
            ("window", &*self.window),
            ("from", &self.from),
            ("to", &self.to),
            ("show", &self.show),
            ("service", &self.service),
            ("by", &self.by),
            ("period", &self.period),
            ("group", &self.group),
            ("namespace", &self.namespace),
            ("focus", &self.focus),
            ("order", &self.order),
            ("sort", &self.sort),
            ("find", &self.find),
            ("before", before),
        ];
        let said: Vec<String> = parts
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("{name}={}", encoded(value)))
            .collect();
        if said.is_empty() { path.to_owned() } else { format!("{path}?{}", said.join("&")) }
    }

    /// The window; the default one if the name is missing or unknown.
    pub fn span(&self) -> DisplayWindow {
        DisplayWindow::EACH.into_iter().find(|span| span.name() == self.window).unwrap_or_default()
    }

    /// The search text in lower case.
    pub fn needle(&self) -> String {
        self.find.trim().to_lowercase()
    }
}

/// The parsed parameters of the overview.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct OverviewQuery {
    /// The window.
    pub window: DisplayWindow,
    /// The filter.
    pub show: HealthFilter,
    /// Only this service; empty for all.
    pub service: String,
    /// Only rows that contain this text; empty for all.
    pub find: String,
    /// The order.
    pub order: SortOrder,
}

impl From<ViewQuery> for OverviewQuery {
    fn from(query: ViewQuery) -> Self {
        let order = query.order(&ORDERS, &COLUMNS);
        Self {
            window: query.span(),
            show: HealthFilter::EACH.into_iter().find(|show| show.name() == query.show).unwrap_or_default(),
            service: query.service,
            find: query.find.trim().to_owned(),
            order,
        }
    }
}

impl OverviewQuery {
    /// Whether a row passes the filter.
    pub fn shows(&self, row: &OverviewRow) -> bool {
        let cells = &row.cells;
        (self.show == HealthFilter::All || cells.shows.split(' ').any(|name| name == self.show.name()))
            && (self.service.is_empty() || cells.service == self.service)
            && cells.find.contains(&self.find.to_lowercase())
    }
}

/// The time span that a page shows: one of the offered windows, or a custom range.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum DisplayWindow {
    /// One minute.
    OneMinute,
    /// Five minutes.
    #[default]
    FiveMinutes,
    /// Fifteen minutes.
    FifteenMinutes,
    /// One hour.
    OneHour,
    /// Six hours.
    SixHours,
    /// A day.
    OneDay,
    /// A week.
    SevenDays,
    /// A month.
    ThirtyDays,
    /// 90 days: the default retention.
    NinetyDays,
    /// From one instant to another: the page is not live.
    Between(Range),
}

impl DisplayWindow {
    /// The windows that pages offer, in the order of the keys 1 to 9.
    pub const EACH: [Self; 9] = [
        Self::OneMinute,
        Self::FiveMinutes,
        Self::FifteenMinutes,
        Self::OneHour,
        Self::SixHours,
        Self::OneDay,
        Self::SevenDays,
        Self::ThirtyDays,
        Self::NinetyDays,
    ];

    /// Its name in a URL; empty for a range, which has two instants instead.
    pub fn name(self) -> &'static str {
        match self {
            Self::OneMinute => "1m",
            Self::FiveMinutes => "5m",
            Self::FifteenMinutes => "15m",
            Self::OneHour => "1h",
            Self::SixHours => "6h",
            Self::OneDay => "24h",
            Self::SevenDays => "7d",
            Self::ThirtyDays => "30d",
            Self::NinetyDays => "90d",
            Self::Between(_) => "",
        }
    }

    /// Its name on the page.
    pub fn title(self) -> &'static str {
        match self {
            Self::OneMinute => "1 min",
            Self::FiveMinutes => "5 min",
            Self::FifteenMinutes => "15 min",
            Self::OneHour => "1 h",
            Self::SixHours => "6 h",
            Self::OneDay => "24 h",
            Self::SevenDays => "7 d",
            Self::ThirtyDays => "30 d",
            Self::NinetyDays => "90 d",
            Self::Between(_) => "this range",
        }
    }

    /// The query for links to other pages, so that they show the same window; empty for the default one.
    pub fn carried(self) -> String {
        match self {
            Self::Between(range) => format!("?from={}&to={}", time::instant(range.from_ms), time::instant(range.to_ms)),
            window if window == Self::default() => String::new(),
            window => format!("?window={}", window.name()),
        }
    }

    /// `yes` if it is so long that times need their day, else empty.
    pub fn days(self) -> &'static str {
        match self {
            Self::SevenDays | Self::ThirtyDays | Self::NinetyDays => "yes",
            Self::Between(range) if range.length_ms() > DAYS_FROM_MS => "yes",
            _ => "",
        }
    }

    /// The window in words: `last 5 min`, or `this range`.
    pub fn words(self) -> String {
        if matches!(self, Self::Between(_)) { self.title().to_owned() } else { format!("last {}", self.title()) }
    }

    /// The window to take a snapshot of.
    pub fn window(self) -> QueryWindow {
        if let Self::Between(range) = self {
            return QueryWindow::Between(range);
        }
        QueryWindow::Last(Duration::from_secs(match self {
            Self::OneMinute => 60,
            Self::FiveMinutes => 300,
            Self::FifteenMinutes => 900,
            Self::OneHour => 3600,
            Self::SixHours => 6 * 3600,
            Self::OneDay => 86_400,
            Self::SevenDays => 7 * 86_400,
            Self::ThirtyDays => 30 * 86_400,
            Self::NinetyDays | Self::Between(_) => 90 * 86_400,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dashboard::order::{By, SortDirection};
    use crate::dashboard::sample;
    use format::column::EndpointColumn;

    fn shown(query: ViewQuery) -> Vec<String> {
        let view = OverviewQuery::from(query);
        let rows = sample::snapshot().endpoints;
        let rows = rows.iter().map(|row| OverviewRow::of(row, sample::NOW_MS));
        rows.filter(|row| view.shows(row)).map(|row| row.cells.route).collect()
    }

    #[test]
    fn the_filter_is_the_same_with_and_without_script() {
        assert_eq!(shown(ViewQuery { show: "failing".into(), ..ViewQuery::default() }), ["/api/checkout"]);
        assert_eq!(shown(ViewQuery { show: "off".into(), ..ViewQuery::default() }), ["/legacy/report.pdf"]);
        assert_eq!(shown(ViewQuery { service: "search".into(), ..ViewQuery::default() }), ["/api/search"]);
        assert_eq!(shown(ViewQuery { find: " post /API".into(), ..ViewQuery::default() }), ["/api/checkout"]);
        assert_eq!(shown(ViewQuery::default()).len(), 6);
    }

    #[test]
    fn an_unknown_choice_is_the_default() {
        let view =
            OverviewQuery::from(ViewQuery { window: "9y".into(), show: "x".into(), order: "y".into(), ..ViewQuery::default() });
        assert_eq!(view, OverviewQuery::default());
        assert_eq!(view.window.name(), "5m");
    }

    #[test]
    fn a_column_s_order_wins_over_the_toolbar_s() {
        let view = OverviewQuery::from(ViewQuery { order: "name".into(), sort: "p95:down".into(), ..ViewQuery::default() });
        assert_eq!(view.order, SortOrder::By(By::Endpoint(EndpointColumn::P95), SortDirection::Down));
    }
}
