//! The last exchanges of a service that failed, as they are attached to a notice.

use std::collections::{BTreeSet, HashMap};

use crate::history::pushed_failures::PushedFailures;
use crate::history::request::RememberedExchange;
use crate::model::notice::{EXCHANGES_MAX, NoticeExchange};

/// How far back a failure is attached: before a notice fires, its condition has lasted for a while.
const ATTACHED_MS: u64 = 5 * 60 * 1000;

/// A namespace and a service.
pub(super) type ServiceName = (String, String);

/// The last failures of these services, newest first.
pub(super) fn last_failures(
    pushed: &PushedFailures,
    services: &BTreeSet<ServiceName>,
    now_ms: u64,
) -> HashMap<ServiceName, Vec<NoticeExchange>> {
    let mut last: HashMap<ServiceName, Vec<NoticeExchange>> = HashMap::new();
    if services.is_empty() {
        return last;
    }
    pushed.each_since(now_ms.saturating_sub(ATTACHED_MS), |(namespace, service, endpoint), remembered| {
        let name = (namespace.to_owned(), service.to_owned());
        if !services.contains(&name) {
            return;
        }
        let exchanges = last.entry(name).or_default();
        let at = exchanges.partition_point(|known| known.at_ms >= remembered.exchange.started_ms);
        if at < EXCHANGES_MAX {
            exchanges.insert(at, attached(endpoint.method(), remembered));
            exchanges.truncate(EXCHANGES_MAX);
        }
    });
    last
}

/// A message leaves the mesh, so the path's query stays behind even if the sidecar keeps it.
fn attached(method: &str, remembered: &RememberedExchange) -> NoticeExchange {
    let exchange = &remembered.exchange;
    NoticeExchange {
        at_ms: exchange.started_ms,
        pod: remembered.pod.to_string(),
        method: method.to_owned(),
        path: exchange.path.split(['?', '#']).next().unwrap_or_default().to_owned(),
        status: exchange.status,
        outcome: exchange.outcome.word().to_owned(),
        took_us: exchange.took_us,
        trace: exchange.trace.as_ref().map(ToString::to_string),
    }
}
