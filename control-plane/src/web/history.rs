//! The recent requests of an endpoint as its page shows them: what its pods remember, newest, slowest or failed.

use serde::Deserialize;

use crate::clock;
use crate::history::choice::{Choice, First};
use crate::history::{Busy, Gathered, Known, Remembered, Wanted};
use crate::snapshot::EndpointRow;
use crate::web::Web;
use crate::web::format::{self, Quantity};

/// Requests on the page. More than a screen full is found by the API.
const ROWS_MAX: usize = 50;

/// Pods named that have not answered; more are only counted.
const NAMED_MAX: usize = 3;

/// Which requests are shown; what is missing or unknown means the newest.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct HistoryQuery {
    history: String,
}

/// Which requests are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Show {
    /// Those that began last.
    #[default]
    Newest,
    /// Those that took longest.
    Slowest,
    /// Those answered by 5xx.
    Failures,
}

/// What is shown.
#[derive(Debug)]
pub struct History {
    /// Which requests.
    pub show: Show,
    /// The requests.
    pub rows: Vec<Row>,
    /// What is not shown, and why; empty if everything is.
    pub gaps: String,
}

/// One request.
#[derive(Debug)]
pub struct Row {
    /// When it began, for people and for machines.
    pub clock: String,
    /// The same (RFC 3339).
    pub instant: String,
    /// The status; a dash for what has none.
    pub status: String,
    /// `ok`, `warn` or `bad`.
    pub level: &'static str,
    /// What the status says, or who has ended the request.
    pub words: String,
    /// The path.
    pub path: String,
    /// From the head to the last byte.
    pub took: Quantity,
    /// From the head to the first byte of the answer.
    pub first_byte: Quantity,
    /// Bytes in.
    pub bytes_in: Quantity,
    /// Bytes out.
    pub bytes_out: Quantity,
    /// The pod's name.
    pub pod: String,
    /// Whether that pod does not answer now, and has told of it before.
    pub known: Known,
    /// Who has asked; a dash if that is unknown.
    pub caller: String,
    /// The trace; empty if there is none.
    pub trace: String,
}

impl Show {
    /// All of them.
    pub const EACH: [Self; 3] = [Self::Newest, Self::Slowest, Self::Failures];

    /// The one that a query names.
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

    fn choice(self) -> Choice {
        let statuses = (self == Self::Failures).then(|| "5xx".parse().expect("5xx is a class of statuses"));
        let first = if self == Self::Slowest { First::Slowest } else { First::Newest };
        Choice { statuses, first, limit: ROWS_MAX }
    }
}

impl History {
    /// Asks the pods of an endpoint.
    pub async fn of(web: &Web, row: &EndpointRow, show: Show) -> Self {
        let (namespace, service, endpoint) = (&row.namespace, &row.service, &row.endpoint);
        let wanted = Wanted { namespace, service, endpoint, pod: None, limit: usize::MAX };
        let gathered = web.state.histories.gather(&wanted, &web.state.fleet, clock::now_ms()).await;
        match gathered {
            Ok(gathered) => Self::shown(gathered, show),
            Err(Busy) => Self { show, rows: Vec::new(), gaps: "Too many are asking: load the page again in a second.".into() },
        }
    }

    fn shown(gathered: Gathered, show: Show) -> Self {
        let gaps = gaps(&gathered);
        Self { show, rows: show.choice().of(gathered.exchanges).into_iter().map(Row::from).collect(), gaps }
    }
}

/// Which pods are not in it.
fn gaps(gathered: &Gathered) -> String {
    let named = gathered.missing.iter().take(NAMED_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
    let missing = match gathered.missing.len().saturating_sub(NAMED_MAX) {
        _ if named.is_empty() => None,
        0 => Some(format!("Without {named}: no answer within a second.")),
        more => Some(format!("Without {named} and {more} more: no answer within a second.")),
    };
    let not_asked = (gathered.not_asked > 0).then(|| {
        let pods = format::plural(gathered.not_asked, "pod was", "pods were");
        format!("{pods} not asked, because there are too many.")
    });
    missing.into_iter().chain(not_asked).collect::<Vec<_>>().join(" ")
}

impl From<Remembered> for Row {
    fn from(remembered: Remembered) -> Self {
        let Remembered { pod, exchange, known } = remembered;
        let words = match &exchange.rule {
            Some(rule) => format!("rule {rule}"),
            None if exchange.outcome != mesh::exchange::Outcome::Answered => exchange.outcome.word().to_owned(),
            None if !exchange.reason.is_empty() => exchange.reason.clone(),
            None => super::endpoint::meaning(exchange.status).to_owned(),
        };
        Self {
            clock: format::clock_ms(exchange.started_ms),
            instant: format::instant(exchange.started_ms),
            status: if exchange.status == 0 { format::MISSING.into() } else { exchange.status.to_string() },
            level: match exchange.status / 100 {
                5 => "bad",
                4 => "warn",
                _ => "ok",
            },
            words,
            path: exchange.path,
            took: format::latency(Some(exchange.took_us as f64)),
            first_byte: format::latency(exchange.first_byte_us.map(|us| us as f64)),
            bytes_in: format::payload(exchange.bytes_in as f64),
            bytes_out: format::payload(exchange.bytes_out as f64),
            pod: pod.to_string(),
            known,
            caller: exchange.caller.map_or_else(|| format::MISSING.into(), |caller| caller.to_string()),
            trace: exchange.trace.map(|trace| trace.to_string()).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use mesh::exchange::{Exchange, Outcome};

    use super::*;

    fn remembered(status: u16, took_us: u64, outcome: Outcome) -> Remembered {
        Remembered {
            pod: "shop-1".into(),
            exchange: Exchange { status, took_us, outcome, ..Exchange::default() },
            known: Known::Asked,
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
            let show = Show::of(&HistoryQuery { history: name.into() });
            let gathered = Gathered { exchanges: all.clone(), ..Gathered::default() };
            History::shown(gathered, show).rows.into_iter().map(|row| row.status).collect::<Vec<_>>()
        };
        assert_eq!(shown("failures"), ["502"]);
        assert_eq!(shown("slowest"), ["404", "502", "200"]);
        assert_eq!(shown("nonsense"), ["200", "502", "404"]);
    }

    #[test]
    fn a_failure_of_ours_is_not_told_in_the_words_of_the_service() {
        assert_eq!(Row::from(remembered(502, 9, Outcome::UpstreamConnect)).words, "upstream-connect");
        assert_eq!(Row::from(remembered(404, 9, Outcome::Answered)).words, "Not Found");
        assert_eq!((Row::from(remembered(0, 9, Outcome::Answered)).status.as_str()), "–");
    }

    #[test]
    fn who_is_missing_is_named_and_many_are_counted() {
        let missing = |count: usize| (0..count).map(|at| format!("shop-{at}")).collect();
        let gathered = Gathered { missing: missing(5), not_asked: 1, ..Gathered::default() };
        assert_eq!(
            gaps(&gathered),
            "Without shop-0, shop-1, shop-2 and 2 more: no answer within a second. 1 pod was not asked, because there are too many."
        );
        assert_eq!(gaps(&Gathered { not_asked: 2, ..Gathered::default() }), "2 pods were not asked, because there are too many.");
        assert_eq!(gaps(&Gathered::default()), "");
    }
}
