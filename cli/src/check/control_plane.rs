//! Checks the control plane: reachability, access, version and clock.

use api::client::Client;
use api::client::failure::Failure;
use api::status::About;
use tokio::time::Instant;

use format::time;

use crate::check::findings::Findings;
use crate::moment;

/// A larger difference between the clocks makes ages and remaining times look wrong.
const SKEW_WARNING_MS: u64 = 2_000;

/// With a larger difference, a time limit does not mean what the operator intended.
const SKEW_ERROR_MS: u64 = 60_000;

/// Returns whether the other checks can run.
pub(super) async fn look(client: &Client, findings: &mut Findings) -> bool {
    let url = client.url();
    if let Err(failure) = client.check_alive().await {
        findings.failed(&failure);
        return false;
    }
    let asked = Instant::now();
    match client.about().await {
        Ok(about) => {
            // The control plane reads its clock about halfway between the request and the arrival of the response.
            let took_ms = asked.elapsed().as_millis() as u64;
            findings.fine(format!("the control plane at {url} answers, in {took_ms} ms, and lets us in"));
            version(&about, findings);
            clock(&about, moment::now_ms().saturating_sub(took_ms / 2), findings);
            true
        }
        Err(Failure::Refused { problem, .. }) if problem.is("not-found") => {
            let ours = env!("CARGO_PKG_VERSION");
            let what = format!("the control plane at {url} is older than this sitio, {ours}: it does not report its version");
            findings.warning(what, "update the control plane, or use the sitio that came with it");
            true
        }
        Err(failure) => {
            findings.failed(&failure);
            false
        }
    }
}

fn version(about: &About, findings: &mut Findings) {
    let (ours, theirs) = (env!("CARGO_PKG_VERSION"), &about.version);
    let up = moment::lasting(Some(&about.started_at), about.now_ms);
    if theirs == ours {
        findings.fine(format!("it is of our version, {ours}, and has been up for {up}"));
    } else {
        findings.warning(
            format!("it is of version {theirs}, and this sitio of {ours}"),
            "use the sitio that came with it, so that nothing is misread",
        );
    }
}

fn clock(about: &About, now_ms: u64, findings: &mut Findings) {
    let apart_ms = about.now_ms.abs_diff(now_ms);
    let direction = if about.now_ms > now_ms { "ahead of" } else { "behind" };
    let what = format!("its clock is {} {direction} ours", time::span(apart_ms));
    let next = "set both clocks by NTP: ages, times left and the audit trail depend on them";
    match apart_ms {
        SKEW_ERROR_MS.. => findings.error(what, next),
        SKEW_WARNING_MS.. => findings.warning(what, next),
        _ => findings.fine("its clock agrees with ours"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::findings::Severity;

    fn about(now_ms: u64) -> About {
        About { version: "0.0.1".into(), started_at: "2025-11-20T14:00:00Z".into(), now_ms }
    }

    #[test]
    fn a_clock_difference_is_reported() {
        let found = |theirs_ms, ours_ms| {
            let mut findings = Findings::default();
            clock(&about(theirs_ms), ours_ms, &mut findings);
            (findings.worst(), findings.words(crate::color::ColorMode::Plain))
        };
        assert_eq!(found(10_000, 10_900).0, Severity::Fine);
        let (level, words) = found(20_000, 10_000);
        assert!(level == Severity::Warning && words.contains("10 s ahead of ours"), "{words}");
        let (level, words) = found(20_000, 7_220_000);
        assert!(level == Severity::Error && words.contains("2 h behind ours"), "{words}");
    }

    #[test]
    fn another_version_is_a_warning() {
        let mut findings = Findings::default();
        version(&about(0), &mut findings);
        assert_eq!(findings.worst(), Severity::Warning);
    }
}
