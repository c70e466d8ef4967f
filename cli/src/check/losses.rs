//! Checks for losses: endpoints over the limit, and data that the control plane refused or discarded.

use api::client::Client;
use api::client::samples::Sample;
use api::endpoints::{EndpointState, EndpointsQuery};
use api::status::Recovery;

use format::number;

use crate::check::findings::Findings;

/// Values of the `what` label of `sitio_discarded_total` that mean a refusal or a loss, with text and advice.
const LOSSES: [(&str, &str, &str); 9] = [
    (
        "frame_refused",
        "frames of sidecars were refused, because they made no sense",
        "update the sidecars: `sitio pods` shows their versions",
    ),
    (
        "window_without_room",
        "windows of counts were not stored, because there was no room",
        "give the control plane's data folder more room, and look at its log",
    ),
    ("stream_without_token", "streams came without the right token", "give the sidecars the control plane's SITIO_TOKEN"),
    ("stream_over_limit", "streams were refused, because there are too many", "run another control plane for a part of the pods"),
    (
        "stream_over_address_limit",
        "streams were refused, because too many came from one address",
        "raise SITIO_STREAMS_PER_ADDRESS_MAX if so many sidecars share one address",
    ),
    (
        "connection_over_address_limit",
        "connections were refused, because too many came from one address",
        "raise SITIO_STREAMS_PER_ADDRESS_MAX if so many sidecars share one address",
    ),
    ("endpoint_over_limit", "endpoints found no row of their own", "pin patterns with SITIO_ROUTES or /api/v1/routes"),
    ("failure_told_over_limit", "failures of pods found no room", "nothing: the newest are kept"),
    ("audit_entry", "of the oldest audit entries were discarded", "keep them elsewhere: `sitio audit -o json`"),
];

/// Runs the check. Skips the metrics during a recovery, because the control plane has none until it ends.
pub(super) async fn look(client: &Client, recovery: Option<&Recovery>, findings: &mut Findings) {
    match client.endpoints(&EndpointsQuery::default()).await {
        Ok(answer) => {
            let folded: Vec<_> = answer
                .endpoints
                .iter()
                .filter(|endpoint| endpoint.state == EndpointState::Unavailable && endpoint.hits > 0)
                .collect();
            for endpoint in &folded {
                findings.warning(
                    format!("{} requests to {} are counted as (other)", number::count(endpoint.hits), endpoint.service),
                    "there are more endpoints than are counted separately: pin patterns with SITIO_ROUTES or /api/v1/routes",
                );
            }
            if folded.is_empty() {
                let count = number::plural(answer.endpoints.len(), "endpoint is", "endpoints are");
                findings.fine(format!("{count} counted separately, none over the limit"));
            }
        }
        Err(failure) => findings.failed(&failure),
    }
    if recovery.is_some() {
        return;
    }
    match client.metrics(&["sitio_discarded_total"]).await {
        Ok(samples) => judge(&samples, findings),
        Err(failure) => findings.failed(&failure),
    }
}

fn judge(samples: &[Sample], findings: &mut Findings) {
    let mut is_fine = true;
    for (what, words, next) in LOSSES {
        let count = samples.iter().find(|sample| sample.label("what") == Some(what)).map_or(0.0, |sample| sample.value);
        if count > 0.0 {
            is_fine = false;
            findings.warning(format!("{} {words}, since the control plane started", number::count(count as u64)), next);
        }
    }
    if is_fine {
        findings.fine("nothing was turned away or discarded since the control plane started");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::findings::Severity;
    use crate::color::ColorMode;

    #[test]
    fn rejected_data_is_reported_with_what_to_do() {
        let sample =
            |value| Sample { name: "sitio_discarded_total".into(), labels: "what=\"stream_without_token\"".into(), value };
        for (value, expected) in [(0.0, Severity::Fine), (2.0, Severity::Warning)] {
            let mut findings = Findings::default();
            judge(&[sample(value)], &mut findings);
            assert_eq!(findings.worst(), expected, "{}", findings.words(ColorMode::Plain));
        }
    }
}
