//! Compares the requests that the demo sent with those that the mesh counted, and prints the result at the end.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, anyhow};
use api::client::Client;
use api::endpoints::EndpointsQuery;
use mesh::endpoint::Endpoint;
use reqwest::Url;
use tokio::time::timeout;

use crate::color::ColorMode;
use crate::demo::traffic::tally::SentCounts;

/// Sidecars report every second, so this is long. It allows for a control plane that was killed just before and has to
/// start first. Sidecars that lost it several times in a row wait up to five seconds before they reconnect.
const REPORTS_WITHIN: Duration = Duration::from_secs(12);

/// The interval between two polls.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The number of differing endpoints that the output names.
const NAMED_MAX: usize = 5;

/// Hits by service and endpoint.
pub(crate) type Counts = BTreeMap<(String, Endpoint), u64>;

/// The result of a comparison.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Comparison {
    sent: Counts,
    counted: Counts,
    not_sent: u64,
}

/// Reads the counts before any request is sent: the data folder may be that of an earlier demo.
pub(crate) async fn counted_before(dashboard: SocketAddr) -> anyhow::Result<Counts> {
    counted(&client_of(dashboard)?).await
}

/// Polls the control plane until it has counted everything sent since `before`, or until [`REPORTS_WITHIN`] is over.
pub(crate) async fn compare(tally: SentCounts, before: &Counts, dashboard: SocketAddr) -> anyhow::Result<Comparison> {
    let client = client_of(dashboard)?;
    let mut output = Err(anyhow!("the control plane did not say what it has counted within {} s", REPORTS_WITHIN.as_secs()));
    let asking = async {
        while !output.as_ref().is_ok_and(Comparison::misses_nothing) {
            let counted = counted(&client).await.map(|counted| since(before, counted));
            output = counted.map(|counted| Comparison { sent: tally.requests.clone(), counted, not_sent: tally.not_sent });
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    // On a timeout, the last result counts.
    let _ = timeout(REPORTS_WITHIN, asking).await;
    output
}

fn client_of(dashboard: SocketAddr) -> anyhow::Result<Client> {
    Ok(Client::new(Url::parse(&format!("http://{dashboard}"))?, None, None)?)
}

/// Subtracts the counts from before the demo.
fn since(before: &Counts, mut counted: Counts) -> Counts {
    for (name, hits) in &mut counted {
        *hits = hits.saturating_sub(before.get(name).copied().unwrap_or(0));
    }
    counted
}

/// Reads the hits from the API.
async fn counted(client: &Client) -> anyhow::Result<Counts> {
    let mut counts = Counts::new();
    for row in client.endpoints(&EndpointsQuery::default()).await?.endpoints {
        let endpoint = Endpoint::named(&row.method, &row.route).with_context(|| format!("name {} {}", row.method, row.route))?;
        *counts.entry((row.service, endpoint)).or_default() += row.hits;
    }
    Ok(counts)
}

impl Comparison {
    /// Whether the counts of all endpoints are equal to the requests sent.
    pub(crate) fn agrees(&self) -> bool {
        self.differences().next().is_none()
    }

    /// Whether no endpoint has fewer counts than requests sent; waiting longer adds nothing then.
    fn misses_nothing(&self) -> bool {
        self.differences().all(|(_, sent, counted)| counted > sent)
    }

    /// The endpoints whose counts differ, with requests sent and counted.
    fn differences(&self) -> impl Iterator<Item = (&(String, Endpoint), u64, u64)> {
        let only_counted = self.counted.keys().filter(|name| !self.sent.contains_key(*name));
        let count = |counts: &Counts, name| counts.get(name).copied().unwrap_or(0);
        self.sent
            .keys()
            .chain(only_counted)
            .map(move |name| (name, count(&self.sent, name), count(&self.counted, name)))
            .filter(|(_, sent, counted)| sent != counted)
    }

    /// The comparison as text.
    pub(crate) fn words(&self, paint: ColorMode) -> String {
        let sent: u64 = self.sent.values().sum();
        let counted: u64 = self.counted.values().sum();
        let endpoints = self.sent.len();
        let mut lines = vec![format!("  Sent     {sent} requests to {endpoints} endpoints")];
        lines.push(if self.agrees() {
            format!("  Counted  {counted} by the control plane: {}", paint.good("they agree, endpoint by endpoint"))
        } else {
            format!("  Counted  {counted} by the control plane: {}", paint.bad(self.reading(sent, counted)))
        });
        for ((service, endpoint), sent, counted) in self.differences().take(NAMED_MAX) {
            lines.push(format!("           {service} {endpoint}: {sent} sent, {counted} counted"));
        }
        if self.not_sent > 0 {
            lines.push(format!("  Not sent {}, because no connection could be made", self.not_sent));
        }
        lines.join("\n")
    }

    fn reading(&self, sent: u64, counted: u64) -> String {
        if self.misses_nothing() {
            // Other clients may call a pod's sidecar; the demo invites users to do so.
            format!("{} more from other clients", counted - sent)
        } else {
            "they do not agree".to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(of: &[(&str, u64)]) -> Counts {
        of.iter().map(|(route, hits)| (("web".to_owned(), Endpoint::named("GET", route).unwrap()), *hits)).collect()
    }

    fn comparison(sent: &[(&str, u64)], counted: &[(&str, u64)]) -> Comparison {
        Comparison { sent: counts(sent), counted: counts(counted), not_sent: 0 }
    }

    #[test]
    fn equal_counts_agree() {
        let comparison = comparison(&[("/", 3), ("/a", 4)], &[("/a", 4), ("/", 3)]);
        assert!(comparison.agrees());
        assert_eq!(
            comparison.words(ColorMode::Plain),
            "  Sent     7 requests to 2 endpoints\n  Counted  7 by the control plane: they agree, endpoint by endpoint"
        );
    }

    #[test]
    fn what_an_earlier_demo_has_sent_counts_for_nothing() {
        let counted = since(&counts(&[("/", 100), ("/old", 7)]), counts(&[("/", 103), ("/a", 4), ("/old", 7)]));
        let comparison = Comparison { sent: counts(&[("/", 3), ("/a", 4)]), counted, not_sent: 0 };
        assert!(comparison.words(ColorMode::Plain).contains("Counted  7 by the control plane: they agree"));
    }

    #[test]
    fn equal_sums_of_different_parts_do_not_agree() {
        let comparison = comparison(&[("/", 3), ("/a", 4)], &[("/", 4), ("/a", 3)]);
        assert!(!comparison.agrees());
        assert!(comparison.words(ColorMode::Plain).contains("they do not agree\n           web GET /: 3 sent, 4 counted"));
    }

    #[test]
    fn calls_of_a_visitor_are_distinguished_from_lost_ones() {
        let visited = comparison(&[("/", 3)], &[("/", 4), ("/a", 1)]);
        assert!(visited.words(ColorMode::Plain).contains("2 more from other clients"));
        let lost = comparison(&[("/", 3)], &[("/", 2), ("/a", 9)]);
        assert!(lost.words(ColorMode::Plain).contains("they do not agree"));
    }
}
