//! The recent requests on an endpoint's page: the newest, slowest or failed ones that its pods remember.

use serde::Deserialize;

use crate::clock;
use crate::counts::fleet::address_index::AddressIndex;
use crate::dashboard::live_values::Cells;
use crate::dashboard::live_values::keys::Key;
use crate::dashboard::live_values::values::Values;
use crate::dashboard::request::{RequestCells, RequestPlace};
use crate::dashboard::state::DashboardState;
use crate::history::choice::{HistoryChoice, HistoryOrder};
use crate::history::request::{HistoryRequest, RememberedExchange};
use crate::history::{Busy, GatheredHistory};
use crate::query::snapshot::EndpointRow;
use format::number;

/// Requests on the page. The API returns more.
const ROWS_MAX: usize = 50;

/// Pods without an answer that are named; the rest are only counted.
const NAMED_MAX: usize = 3;

/// The query parameter that selects the requests; a missing or unknown value means the newest.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct HistoryQuery {
    history: String,
}

/// Which requests are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HistoryFilter {
    /// Those that started last.
    #[default]
    Newest,
    /// Those that took longest.
    Slowest,
    /// Those with a 5xx status.
    Failures,
}

/// The table of recent requests.
#[derive(Debug)]
pub struct RequestHistory {
    /// Which requests are shown.
    pub show: HistoryFilter,
    /// The requests, padded with blank rows to a fixed number.
    pub rows: Vec<RequestCells>,
    /// Whether the pods could be queried.
    pub is_known: bool,
    /// How many requests there are, and from how many pods.
    pub hint: String,
    /// What is missing, and why; empty if nothing is.
    pub gaps: String,
}

impl HistoryFilter {
    /// All variants.
    pub const EACH: [Self; 3] = [Self::Newest, Self::Slowest, Self::Failures];

    /// The variant that a query names; the newest if it names none.
    pub fn of(query: &HistoryQuery) -> Self {
        Self::EACH.into_iter().find(|show| show.name() == query.history).unwrap_or_default()
    }

    /// Its name in a URL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Newest => "newest",
            Self::Slowest => "slowest",
            Self::Failures => "failures",
        }
    }

    /// Its name on the page.
    pub fn title(self) -> &'static str {
        match self {
            Self::Newest => "Newest",
            Self::Slowest => "Slowest",
            Self::Failures => "5xx",
        }
    }

    fn choice(self) -> HistoryChoice {
        let statuses = (self == Self::Failures).then(|| "5xx".parse().expect("5xx is a class of statuses"));
        let first = if self == Self::Slowest { HistoryOrder::Slowest } else { HistoryOrder::Newest };
        HistoryChoice { statuses, order: first, limit: ROWS_MAX }
    }
}

impl RequestHistory {
    /// Queries the pods of an endpoint.
    pub async fn of(state: &DashboardState, row: &EndpointRow, show: HistoryFilter) -> Self {
        let (namespace, service, endpoint) = (&row.namespace, &row.service, &row.endpoint);
        let wanted = HistoryRequest { namespace, service, endpoint, pod: None, limit: usize::MAX };
        let Ok(gathered) = state.reader.gather_history(&wanted, clock::now_ms()).await else {
            let gaps = "Too many queries are running: reload the page in a second.".into();
            return Self { show, rows: vec![RequestCells::blank(); ROWS_MAX], is_known: false, hint: String::new(), gaps };
        };
        Self::shown(gathered, show, row, &state.reader.address_owners(clock::now_ms()))
    }

    /// The same requests unformatted and without a limit, for a file.
    pub async fn remembered(
        state: &DashboardState,
        row: &EndpointRow,
        show: HistoryFilter,
    ) -> Result<Vec<RememberedExchange>, Busy> {
        let (namespace, service, endpoint) = (&row.namespace, &row.service, &row.endpoint);
        let wanted = HistoryRequest { namespace, service, endpoint, pod: None, limit: usize::MAX };
        let gathered = state.reader.gather_history(&wanted, clock::now_ms()).await?;
        Ok(HistoryChoice { limit: usize::MAX, ..show.choice() }.select(gathered.exchanges))
    }

    /// The exchanges of an endpoint that its pods have pushed without a query.
    pub fn describe(state: &DashboardState, row: &EndpointRow) -> Vec<RememberedExchange> {
        let (namespace, service, endpoint) = (&row.namespace, &row.service, &row.endpoint);
        state.reader.pushed_history(&HistoryRequest { namespace, service, endpoint, pod: None, limit: usize::MAX })
    }

    /// The rows as live values.
    pub fn cells(&self) -> Cells {
        let mut cells = Cells::default();
        // If the pods could not be queried, the rows already on the page stay.
        for (at, row) in self.rows.iter().enumerate().filter(|_| self.is_known) {
            cells.show(format!("request-{at}"), row);
        }
        let words = Values::named([(Key::new("hint", ""), &*self.hint), (Key::new("gaps", ""), &*self.gaps)]);
        cells.insert("requests", words);
        cells
    }

    fn shown(gathered: GatheredHistory, show: HistoryFilter, row: &EndpointRow, owners: &AddressIndex) -> Self {
        let gaps = gaps(&gathered);
        let remembered = number::plural(gathered.exchanges.len(), "request", "requests");
        let pods = number::plural(gathered.answered.len(), "pod", "pods");
        let shown = show.choice().select(gathered.exchanges).into_iter();
        let mut rows: Vec<RequestCells> = shown.map(|shown| cells_of(shown, row, owners)).collect();
        let hint = format!("{} of {remembered}, kept by {pods}", rows.len());
        rows.resize_with(ROWS_MAX, RequestCells::blank);
        Self { show, rows, is_known: true, hint, gaps }
    }

    /// Whether there are no requests.
    pub fn is_empty(&self) -> bool {
        self.rows.iter().all(|row| row.kind.is_empty())
    }
}

fn cells_of(remembered: RememberedExchange, row: &EndpointRow, owners: &AddressIndex) -> RequestCells {
    let RememberedExchange { pod, exchange, source: known } = remembered;
    let place = RequestPlace { namespace: &row.namespace, service: &row.service, endpoint: &row.endpoint, pod: &pod };
    RequestCells::of(place, exchange, known, owners)
}

/// A note on the pods without an answer; empty if there are none.
fn gaps(gathered: &GatheredHistory) -> String {
    let named = gathered.missing.iter().take(NAMED_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
    let missing = match gathered.missing.len().saturating_sub(NAMED_MAX) {
        _ if named.is_empty() => None,
        0 => Some(format!("Without {named}: no answer within a second.")),
        more => Some(format!("Without {named} and {more} more: no answer within a second.")),
    };
    let not_asked = (gathered.not_asked > 0).then(|| {
        let pods = number::plural(gathered.not_asked, "pod was", "pods were");
        format!("{pods} not asked, because there are too many.")
    });
    missing.into_iter().chain(not_asked).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use mesh::exchange::{Exchange, Outcome};

    use super::*;
    use crate::dashboard::sample;
    use crate::history::request::HistorySource;

    fn remembered(status: u16, took_us: u64, outcome: Outcome) -> RememberedExchange {
        RememberedExchange {
            pod: "shop-1".into(),
            exchange: Exchange { status, took_us, outcome, ..Exchange::default() },
            source: HistorySource::Fetched,
        }
    }

    #[test]
    fn each_choice_shows_what_it_says() {
        let all = vec![
            remembered(200, 5, Outcome::Answered),
            remembered(502, 9, Outcome::UpstreamConnect),
            remembered(404, 70, Outcome::Answered),
        ];
        let shown = |name: &str| {
            let show = HistoryFilter::of(&HistoryQuery { history: name.into() });
            let gathered = GatheredHistory { exchanges: all.clone(), ..GatheredHistory::default() };
            let history = RequestHistory::shown(gathered, show, &sample::snapshot().endpoints[0], &AddressIndex::default());
            assert_eq!((history.rows.len(), history.is_empty()), (ROWS_MAX, false));
            let rows = history.rows.into_iter().filter(|row| !row.kind.is_empty());
            rows.map(|row| row.status).collect::<Vec<_>>()
        };
        assert_eq!(shown("failures"), ["502"]);
        assert_eq!(shown("slowest"), ["404", "502", "200"]);
        assert_eq!(shown("nonsense"), ["200", "502", "404"]);
    }

    #[test]
    fn who_is_missing_is_named_and_many_are_counted() {
        let missing = |count: usize| (0..count).map(|at| format!("shop-{at}")).collect();
        let gathered = GatheredHistory { missing: missing(5), not_asked: 1, ..GatheredHistory::default() };
        assert_eq!(
            gaps(&gathered),
            "Without shop-0, shop-1, shop-2 and 2 more: no answer within a second. 1 pod was not asked, because there are too many."
        );
        assert_eq!(
            gaps(&GatheredHistory { not_asked: 2, ..GatheredHistory::default() }),
            "2 pods were not asked, because there are too many."
        );
        assert_eq!(gaps(&GatheredHistory::default()), "");
    }
}
