//! A tap, a live view of exchanges: its filter, its rate limit and the exchanges it reports.

use crate::endpoint::{Endpoint, METHOD_BYTES_MAX, ROUTE_BYTES_MAX};
use crate::exchange::Exchange;
use crate::statuses::{NoStatuses, StatusFilter};

/// A tap, as the control plane sends it to a sidecar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tap {
    /// The id of the tap; never reused.
    pub id: u64,
    /// Which exchanges to report.
    pub filter: Filter,
    /// The most exchanges to report per second; the rest is only counted.
    pub per_second_max: u32,
}

/// Which exchanges a tap reports. An unset field matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only of this method.
    pub method: Option<String>,
    /// Only of this route; `/api/*` is every route that begins with `/api/`.
    pub route: Option<String>,
    /// Only with these statuses.
    pub statuses: Option<StatusFilter>,
}

/// An exchange that a tap reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// The id of the tap.
    pub tap: u64,
    /// The endpoint.
    pub endpoint: Endpoint,
    /// The exchange.
    pub exchange: Exchange,
}

/// Exchanges that matched a tap but were not reported, since the last count was sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Exchanges over the requested rate.
    pub over_rate: u64,
    /// Exchanges that found the queue to the control plane full.
    pub over_queue: u64,
}

/// Why a filter is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoFilter {
    /// The method is invalid.
    #[error("method={0}: it is 1 to {METHOD_BYTES_MAX} letters or digits, such as GET; methods are case-sensitive")]
    Method(String),
    /// The route is invalid.
    #[error(
        "route={0}: it begins with / and has at most {ROUTE_BYTES_MAX} bytes, such as /users/{{id}}; * at its end is anything"
    )]
    Route(String),
    /// The route contains a control character.
    #[error("route={0}: it holds a control character, which must be written as %XX")]
    RouteControl(String),
    /// The statuses are invalid.
    #[error("status={0}: {1}")]
    Status(String, NoStatuses),
}

impl Filter {
    /// Parses a filter as people write it; an empty text matches everything.
    pub fn read(method: &str, route: &str, statuses: &str) -> Result<Self, NoFilter> {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~()".contains(&byte);
        if method.len() > METHOD_BYTES_MAX || !method.bytes().all(token) {
            return Err(NoFilter::Method(shown(method)));
        }
        let begins = route.is_empty() || route.starts_with(['/', '*', '(']);
        if !begins || route.len() > ROUTE_BYTES_MAX {
            return Err(NoFilter::Route(shown(route)));
        }
        if route.chars().any(char::is_control) {
            return Err(NoFilter::RouteControl(shown(route)));
        }
        let statuses = given(statuses).map(|text| text.parse().map_err(|why| NoFilter::Status(shown(&text), why)));
        Ok(Self { method: given(method), route: given(route), statuses: statuses.transpose()? })
    }

    /// Whether the filter matches an exchange of this endpoint with this status.
    pub fn holds(&self, endpoint: &Endpoint, status: u16) -> bool {
        self.statuses.as_ref().is_none_or(|statuses| statuses.hold(status))
            && self.method.as_ref().is_none_or(|method| method == endpoint.method())
            && self.route.as_ref().is_none_or(|route| match route.strip_suffix('*') {
                Some(beginning) => endpoint.route().starts_with(beginning),
                None => route == endpoint.route(),
            })
    }
}

impl Dropped {
    /// Whether no exchange was dropped.
    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }
}

/// The beginning of an invalid value, for an error message.
fn shown(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(filter: [&str; 3], endpoint: &str, status: u16) -> bool {
        let (method, route) = endpoint.split_once(' ').unwrap();
        Filter::read(filter[0], filter[1], filter[2]).unwrap().holds(&Endpoint::named(method, route).unwrap(), status)
    }

    #[test]
    fn what_is_not_named_is_not_asked_about() {
        assert!(holds(["", "", ""], "GET /a", 200));
        assert!(holds(["GET", "", ""], "GET /a", 200) && !holds(["GET", "", ""], "POST /a", 200));
        assert!(holds(["", "/a", ""], "GET /a", 200) && !holds(["", "/a", ""], "GET /ab", 200));
        assert!(holds(["", "/a*", ""], "GET /ab", 200) && holds(["", "*", ""], "GET /b", 200));
        assert!(!holds(["", "/a/*", ""], "GET /ab", 200));
        assert!(holds(["", "", "5xx,404"], "GET /a", 404) && !holds(["", "", "5xx"], "GET /a", 404));
        assert!(!holds(["GET", "/a", "5xx"], "GET /a", 200));
        assert!(Filter::read("", "(other)", "").unwrap().holds(&Endpoint::other(), 200));
    }

    #[test]
    fn what_is_no_filter_is_refused_by_name_and_with_what_is_allowed() {
        let why = |filter: [&str; 3]| Filter::read(filter[0], filter[1], filter[2]).unwrap_err().to_string();
        assert!(why(["G T", "", ""]).starts_with("method=G T: ") && why(["é", "", ""]).contains("GET"));
        assert!(why(["", "users", ""]).starts_with("route=users: ") && why(["", "users", ""]).contains("/users/{id}"));
        assert!(why(["", "", "bad"]).starts_with("status=bad: ") && why(["", "", "bad"]).contains("5xx"));
        assert!(why(["", &format!("/{}", "x".repeat(9000)), ""]).len() < 300, "not all of it is said back");
    }
}
