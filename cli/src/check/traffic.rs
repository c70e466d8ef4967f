//! Checks the traffic: requests that did not reach their service, and services without requests.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use api::client::Client;
use api::endpoints::{Endpoint, EndpointsQuery};
use api::history::{Exchange, History, HistoryQuery};
use api::pods::{Pod, PodState};
use format::label::service_label;
use format::number;

use crate::check::findings::Findings;
use crate::moment;

/// Older failures are ignored, because their cause may be fixed already.
const RECENTLY: Duration = Duration::from_secs(5 * 60);

/// A younger pod may not have received a request yet. Probes alone arrive every few seconds.
const UNCALLED: Duration = Duration::from_secs(5 * 60);

/// The number of services whose request history is read.
const ASKED_MAX: usize = 8;

pub(super) async fn look(client: &Client, findings: &mut Findings) {
    let recently = EndpointsQuery { window: Some(format!("{}s", RECENTLY.as_secs())), ..EndpointsQuery::default() };
    match client.endpoints(&recently).await {
        Ok(answer) => reached(client, &answer.endpoints, findings).await,
        Err(failure) => return findings.failed(&failure),
    }
    match (client.endpoints(&EndpointsQuery::default()).await, client.pods().await) {
        (Ok(ever), Ok(pods)) => called(&ever.endpoints, &pods.pods, moment::now_ms(), findings),
        (Err(failure), _) | (_, Err(failure)) => findings.failed(&failure),
    }
}

/// Checks whether requests reach the services. A 502 or 504 can come from the service or from its sidecar; the pods'
/// request history says which.
async fn reached(client: &Client, endpoints: &[Endpoint], findings: &mut Findings) {
    let wanted = HistoryQuery { status: Some("502,504".to_owned()), ..HistoryQuery::default() };
    let mut all_are = true;
    for suspect in suspects(endpoints).into_iter().take(ASKED_MAX) {
        match client.history(&suspect.worst.id, &wanted).await {
            Ok(history) => all_are &= !unreached(&suspect, &lately(history), findings),
            Err(failure) => return findings.failed(&failure),
        }
    }
    if all_are {
        findings.fine("requests reach their services");
    }
}

/// The exchanges in the pods' history that ended recently. The history goes back as far as its buffer allows.
fn lately(History { taken_at, exchanges, .. }: History) -> Vec<Exchange> {
    let since_ms = moment::unix_ms(&taken_at).unwrap_or_else(moment::now_ms).saturating_sub(RECENTLY.as_millis() as u64);
    exchanges.into_iter().filter(|exchange| exchange.started_ms as f64 + exchange.took_ms >= since_ms as f64).collect()
}

/// A service with responses 502 or 504, from itself or from its sidecar.
struct Suspect<'a> {
    /// Its endpoint with the most such responses.
    worst: &'a Endpoint,
    /// Whether any endpoint of the service had other responses.
    answers: bool,
}

fn suspects(endpoints: &[Endpoint]) -> Vec<Suspect<'_>> {
    let mut suspects = BTreeMap::<_, Suspect<'_>>::new();
    for endpoint in endpoints {
        let answers = endpoint.served() > unanswered(endpoint);
        let key = (&endpoint.namespace, &endpoint.service);
        let suspect = suspects.entry(key).or_insert(Suspect { worst: endpoint, answers: false });
        suspect.answers |= answers;
        if unanswered(endpoint) > unanswered(suspect.worst) {
            suspect.worst = endpoint;
        }
    }
    suspects.into_values().filter(|suspect| unanswered(suspect.worst) > 0).collect()
}

fn unanswered(endpoint: &Endpoint) -> u64 {
    ["502", "504"].iter().filter_map(|status| endpoint.status.get(*status)).copied().fold(0, u64::saturating_add)
}

/// Adds a finding if the sidecars of a service recorded that they could not reach it; returns whether it did.
fn unreached(suspect: &Suspect<'_>, exchanges: &[Exchange], findings: &mut Findings) -> bool {
    let is_sidecars = |exchange: &&Exchange| exchange.outcome.starts_with("upstream-");
    let Some(newest) = exchanges.iter().find(is_sidecars) else { return false };
    let count = exchanges.iter().filter(is_sidecars).count() as u64;
    let service = service_label(&suspect.worst.namespace, &suspect.worst.service);
    let (all, word, pod) = (number::plural(exchanges.len(), "failure", "failures"), &newest.outcome, &newest.pod);
    let what = format!(
        "{} of the last {all} of {service} are its sidecar's word that it was not reached ({word} on {pod})",
        number::count(count)
    );
    let next = format!(
        "see whether {service} runs and listens where its sidecar looks (TARGET_PORT, 8087; `/readyz` on port 9191), and is quick enough"
    );
    // A service that answers sometimes is running.
    if suspect.answers {
        findings.warning(what, next);
    } else {
        findings.error(what, next);
    }
    true
}

/// Reports services whose pods have been connected for a while but have not received a request.
fn called(endpoints: &[Endpoint], pods: &[Pod], now_ms: u64, findings: &mut Findings) {
    // An endpoint that was only turned off or pinned is listed with zero hits.
    let called = endpoints.iter().filter(|endpoint| endpoint.hits > 0);
    let called: BTreeSet<_> = called.map(|endpoint| (&endpoint.namespace, &endpoint.service)).collect();
    let is_old = |pod: &&Pod| {
        let since_ms = pod.connected_at.as_deref().and_then(moment::unix_ms);
        since_ms.is_some_and(|since_ms| now_ms.saturating_sub(since_ms) >= UNCALLED.as_millis() as u64)
    };
    let waiting = pods.iter().filter(|pod| pod.state == PodState::Reporting).filter(is_old);
    let waiting = waiting.filter(|pod| !called.contains(&(&pod.namespace, &pod.service)));
    let services: BTreeSet<_> = waiting.map(|pod| service_label(&pod.namespace, &pod.service)).collect();
    for service in services {
        findings.warning(
            format!("no request to {service} has come through its sidecars"),
            "if it has callers, send them to the sidecar's PORT (8080), and not to the service's own: in Kubernetes, by targetPort",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::findings::Severity;
    use crate::color::ColorMode;
    use crate::sample::{endpoint, exchange, pod};

    fn found(look: impl FnOnce(&mut Findings)) -> (Severity, String) {
        let mut findings = Findings::default();
        look(&mut findings);
        (findings.worst(), findings.words(ColorMode::Plain))
    }

    /// An endpoint with a hundred requests, of which `unanswered` ended with 502.
    fn endpoint_with(unanswered: u64) -> Endpoint {
        let status = [("200".to_owned(), 100 - unanswered), ("502".to_owned(), unanswered)];
        Endpoint { status: status.into_iter().filter(|(_, count)| *count > 0).collect(), ..endpoint("legacy", "GET", "/export") }
    }

    #[test]
    fn an_unreachable_service_is_distinguished_from_one_that_fails() {
        assert!(suspects(&[endpoint_with(0)]).is_empty());
        for (unanswered, outcome, level) in [
            (7, "answered", Severity::Fine),
            (7, "upstream-connect", Severity::Warning),
            (100, "upstream-connect", Severity::Error),
        ] {
            let endpoints = [endpoint_with(unanswered)];
            let exchanges = [exchange(outcome)];
            let (worst, words) = found(|findings| {
                unreached(&suspects(&endpoints)[0], &exchanges, findings);
            });
            assert_eq!(worst, level, "{words}");
            assert!(level == Severity::Fine || words.contains("(upstream-connect on legacy-0)"), "{words}");
        }
    }

    #[test]
    fn what_happened_long_ago_may_be_mended_already() {
        let at = |age_ms: u64| Exchange {
            started_ms: moment::unix_ms("2025-11-20T14:00:00Z").unwrap() - age_ms,
            ..exchange("upstream-connect")
        };
        let slow = Exchange { took_ms: 30_000.0, ..at(320_000) };
        let history = History {
            taken_at: "2025-11-20T14:00:00Z".into(),
            exchanges: vec![at(1000), at(299_000), slow.clone(), at(301_000), at(3_600_000)],
            id: String::new(),
            namespace: "default".into(),
            service: "legacy".into(),
            method: "GET".into(),
            route: "/export".into(),
            pods: vec![],
            missing: vec![],
            not_asked: 0,
        };
        assert_eq!(lately(history), [at(1000), at(299_000), slow]);
    }

    #[test]
    fn a_service_without_calls_for_minutes_may_be_bypassed() {
        let connected = |at: &str| Pod { connected_at: Some(at.into()), ..pod("shop-0") };
        let at = |after_ms| moment::unix_ms("2025-11-20T14:00:00Z").unwrap() + after_ms;
        let pods = [connected("2025-11-20T14:00:00Z")];
        assert_eq!(found(|findings| called(&[], &pods, at(60_000), findings)).0, Severity::Fine);
        let (level, words) = found(|findings| called(&[], &pods, at(360_000), findings));
        assert!(level == Severity::Warning && words.contains("no request to shop has come"), "{words}");
        let turned_off = [Endpoint { hits: 0, ..endpoint("shop", "GET", "/") }];
        assert_eq!(found(|findings| called(&turned_off, &pods, at(360_000), findings)).0, Severity::Warning);
        let called_once = [endpoint("shop", "GET", "/")];
        assert_eq!(found(|findings| called(&called_once, &pods, at(360_000), findings)).0, Severity::Fine);
    }
}
