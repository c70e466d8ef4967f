//! What somebody wants to see of the traffic while it happens: which exchanges, and how many a second.

use crate::endpoint::{Endpoint, METHOD_BYTES_MAX, ROUTE_BYTES_MAX};
use crate::exchange::Exchange;
use crate::statuses::{NoStatuses, Statuses};

/// A tap, as a sidecar is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tap {
    /// By which it is known; never used for another.
    pub id: u64,
    /// Which exchanges.
    pub filter: Filter,
    /// No more than so many a second; the rest is only counted.
    pub per_second_max: u32,
}

/// Which exchanges are wanted. What is not named is not asked about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only of this method.
    pub method: Option<String>,
    /// Only of this route; `/api/*` is every route that begins with `/api/`.
    pub route: Option<String>,
    /// Only with these statuses.
    pub statuses: Option<Statuses>,
}

/// An exchange that a tap has seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// Which tap.
    pub tap: u64,
    /// The endpoint.
    pub endpoint: Endpoint,
    /// The exchange.
    pub exchange: Exchange,
}

/// What was tapped but not passed on, since it was told of last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Exchanges over the rate that was asked for.
    pub over_rate: u64,
    /// Exchanges that found the way to the control plane full.
    pub over_queue: u64,
}

/// Why a text is no filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoFilter {
    /// The method cannot be one.
    #[error("method={0}: it is 1 to {METHOD_BYTES_MAX} letters or digits, such as GET; methods are case-sensitive")]
    Method(String),
    /// The route cannot be one.
    #[error(
        "route={0}: it begins with / and has at most {ROUTE_BYTES_MAX} bytes, such as /users/{{id}}; * at its end is anything"
    )]
    Route(String),
    /// The route holds what no request line can hold.
    #[error("route={0}: it holds a control character, which must be written as %XX")]
    RouteControl(String),
    /// The statuses cannot be any.
    #[error("status={0}: {1}")]
    Status(String, NoStatuses),
}

impl Filter {
    /// The filter that people write in so many words; an empty one asks about nothing.
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

    /// Whether an exchange of this endpoint, with this status, is wanted.
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
    /// Whether nothing was.
    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }
}

/// What is said back of a value that makes no sense: its beginning.
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
