//! What to do next about a failure, for the end of the line that tells of it.

use client::failure::{Failure, Problem};

/// What to do, if there is something that the failure does not say itself.
pub(crate) fn on(failure: &Failure) -> Option<String> {
    Some(match failure {
        Failure::Unreachable { .. } => {
            "start a control plane there (`sitio demo` brings one), or say where yours is with --url or SITIO_URL".to_owned()
        }
        Failure::TooSlow { .. } => "try again, and look at its log and its load".to_owned(),
        Failure::TokenWanted { .. } => "set SITIO_TOKEN, or name a file that holds it with --token-file".to_owned(),
        Failure::TokenWrong { .. } => "set SITIO_TOKEN to the one that the control plane was started with".to_owned(),
        Failure::Foreign { .. } => format!(
            "see whether --url or SITIO_URL is right; if it is, the control plane is of another version than this sitio, {}",
            env!("CARGO_PKG_VERSION")
        ),
        Failure::BrokenOff { .. } => "the control plane may be restarting: try again".to_owned(),
        Failure::Refused { problem, .. } => return on_problem(problem).map(str::to_owned),
    })
}

fn on_problem(problem: &Problem) -> Option<&'static str> {
    let kinds = [
        ("unknown-rule", "`sitio rules` lists those in force"),
        ("unknown-pod", "`sitio pods` lists those there are"),
        ("duplicate", "`sitio rules` shows how it is doing"),
        ("ended", "`sitio audit` tells by whom"),
        ("too-many-taps", "close one, or try again in a few seconds"),
        ("busy", "try again in a second"),
        ("stale", "try again"),
        ("store", "look at the control plane's disk and its log"),
        ("host", "use http://127.0.0.1 or http://localhost, or give the control plane a token"),
    ];
    kinds.into_iter().find(|(kind, _)| problem.is(kind)).map(|(_, advice)| advice)
}
