//! The callers of an endpoint as text: what a person checks before turning it off.

use serde::Serialize;

use crate::counts::fleet::endpoint_callers::CallerCounts;
use crate::query::callers::{CalledBy, ResolvedCaller, Who};
use format::health::{failing, ratio};
use format::label::service_label;
use format::number::Quantity;
use format::{number, time};

/// Maximum number of callers shown, busiest first.
pub const SHOWN_MAX: usize = 12;

/// Maximum number of a caller's pods that are named.
const PODS_NAMED_MAX: usize = 3;

/// The live values of one caller.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CallerCells {
    /// `service`, `address` or `other`; empty if the row is unused.
    pub kind: &'static str,
    /// The name of the caller.
    pub name: String,
    /// Its pods, or the kind of caller.
    pub about: String,
    /// Requests per second.
    pub rps: String,
    /// Number of requests.
    pub hits: String,
    /// Share of all requests to the endpoint.
    pub share: Quantity,
    /// Ratio of its requests that failed.
    pub failing: Quantity,
    /// Health level of that ratio.
    pub failing_level: &'static str,
    /// Age of its newest request.
    pub seen: String,
}

/// The callers of an endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallersTable {
    /// The callers, busiest first.
    pub each: Vec<CallerCells>,
    /// Notes on the callers that have no row.
    pub rest: RestCells,
}

/// The notes below the table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RestCells {
    /// Message if there are no callers.
    pub none: &'static str,
    /// Callers that are not shown, and requests that cannot be attributed.
    pub note: String,
}

impl CallersTable {
    /// The callers of an endpoint with this request rate.
    pub fn of(called_by: &CalledBy, rps: f64, now_ms: u64) -> Self {
        let cells = |caller: &ResolvedCaller| CallerCells::of(caller, called_by, rps, now_ms);
        let mut each: Vec<CallerCells> = called_by.callers.iter().take(SHOWN_MAX).map(cells).collect();
        each.resize_with(SHOWN_MAX, CallerCells::default);
        let none = if called_by.callers.is_empty() { "No caller reported." } else { "" };
        Self { each, rest: RestCells { none, note: note(called_by, SHOWN_MAX) } }
    }
}

impl CallerCells {
    fn of(caller: &ResolvedCaller, called_by: &CalledBy, rps: f64, now_ms: u64) -> Self {
        let CallerCounts { calls, .. } = caller.received;
        let share = ratio(calls.failures, calls.hits);
        Self {
            kind: match caller.who {
                Who::Service { .. } => "service",
                Who::Address(_) => "address",
                Who::Others => "other",
            },
            name: name(&caller.who),
            about: about(caller),
            rps: number::rate(rps * caller.received.share_lately_of(called_by.sum)),
            hits: number::count(calls.hits),
            share: number::percent(caller.received.share_of(called_by.sum)),
            failing: number::percent(share),
            failing_level: failing(share, calls.hits).name(),
            seen: ago(calls.last_ms, now_ms),
        }
    }
}

/// For the dialog: each caller with its share and rate, and a note on the rest.
pub fn in_short(called_by: &CalledBy, rps: f64, now_ms: u64) -> (Vec<(String, String)>, String) {
    let words = |caller: &ResolvedCaller| {
        let share = number::percent(caller.received.share_of(called_by.sum)).words();
        let rate = number::rate(rps * caller.received.share_lately_of(called_by.sum));
        (name(&caller.who), format!("{share}, {rate}/s, {}", ago(caller.received.calls.last_ms, now_ms)))
    };
    let callers = called_by.callers.iter().take(SHOWN_MAX).map(words).collect();
    let note = note(called_by, SHOWN_MAX);
    let unknown = called_by.callers.is_empty() && note.is_empty();
    (callers, if unknown { "No caller reported.".to_owned() } else { note })
}

/// The display name of a caller.
fn name(who: &Who) -> String {
    match who {
        Who::Service { namespace, service } => service_label(namespace, service),
        Who::Address(address) => address.to_string(),
        Who::Others => "Others".into(),
    }
}

fn about(caller: &ResolvedCaller) -> String {
    match caller.who {
        Who::Address(_) => "unknown caller".into(),
        Who::Others => "unattributed".into(),
        Who::Service { .. } => {
            let pod = |pod: &crate::query::callers::CallingPod| pod.pod.clone().unwrap_or_else(|| pod.address.to_string());
            let mut words: Vec<String> = caller.pods.iter().take(PODS_NAMED_MAX).map(pod).collect();
            words.dedup();
            let more = caller.pods.len().saturating_sub(PODS_NAMED_MAX);
            if more > 0 {
                words.push(format!("and {more} more"));
            }
            words.join(", ")
        }
    }
}

fn ago(last_ms: u64, now_ms: u64) -> String {
    match &*time::age(now_ms.saturating_sub(last_ms)) {
        "now" => "just now".into(),
        age => format!("{age} ago"),
    }
}

fn note(called_by: &CalledBy, shown: usize) -> String {
    let mut notes = Vec::new();
    let more = called_by.callers.len().saturating_sub(shown);
    if more > 0 {
        notes.push(format!("And {} with fewer requests.", number::plural(more, "caller", "callers")));
    }
    if called_by.unknown_hits > 0 {
        let hits = number::count(called_by.unknown_hits);
        let requests = if called_by.unknown_hits == 1 { "request" } else { "requests" };
        notes.push(format!("{hits} earlier {requests} can no longer be attributed to a caller."));
    }
    notes.join(" ")
}

#[cfg(test)]
mod tests {
    use mesh::callers::Calls;

    use super::*;
    use crate::dashboard::sample::NOW_MS;
    use crate::query::callers::CallingPod;

    fn received(hits: u64, failures: u64, ago_ms: u64) -> CallerCounts {
        CallerCounts {
            calls: Calls { hits, failures, last_ms: NOW_MS - ago_ms },
            recent: hits as f64,
            failed_lately: failures as f64,
        }
    }

    fn called_by() -> CalledBy {
        let pod = |name: &str| CallingPod { pod: Some(name.into()), address: [10, 0, 0, 1].into(), received: received(1, 0, 0) };
        let storefront = Who::Service { namespace: "default".into(), service: "storefront".into() };
        let pods = ["storefront-0", "storefront-1", "storefront-2", "storefront-3"].map(pod).to_vec();
        let callers = vec![
            ResolvedCaller { who: storefront, received: received(750, 75, 500), pods },
            ResolvedCaller { who: Who::Address([192, 0, 2, 7].into()), received: received(200, 0, 180_000), pods: vec![] },
            ResolvedCaller { who: Who::Others, received: received(50, 0, 7_200_000), pods: vec![] },
        ];
        CalledBy { callers, sum: received(1000, 75, 500), unknown_hits: 1240 }
    }

    #[test]
    fn callers_have_a_share_and_a_time_of_the_last_call() {
        let CallersTable { each, rest } = CallersTable::of(&called_by(), 20.0, NOW_MS);
        let (first, second, third) = (&each[0], &each[1], &each[2]);
        assert_eq!((first.kind, &*first.name, &*first.rps, &*first.hits), ("service", "storefront", "15.0", "750"));
        assert_eq!(first.about, "storefront-0, storefront-1, storefront-2, and 1 more");
        assert_eq!((first.share.words().as_str(), first.failing_level, &*first.seen), ("75 %", "bad", "just now"));
        assert_eq!((&*second.name, &*second.about, &*second.seen), ("192.0.2.7", "unknown caller", "3 min ago"));
        assert_eq!((third.kind, &*third.seen), ("other", "2 h ago"));
        assert_eq!((each.len(), each[3].kind), (SHOWN_MAX, ""));
        assert_eq!(rest.note, "1,240 earlier requests can no longer be attributed to a caller.");
    }

    #[test]
    fn the_dialog_says_it_in_short() {
        let (callers, note) = in_short(&called_by(), 20.0, NOW_MS);
        assert_eq!(callers[0], ("storefront".to_owned(), "75 %, 15.0/s, just now".to_owned()));
        assert!(note.starts_with("1,240 earlier requests"));
        let (unknown, note) = in_short(&CalledBy::default(), 0.0, NOW_MS);
        assert_eq!((unknown.len(), &*note), (0, "No caller reported."));
    }
}
