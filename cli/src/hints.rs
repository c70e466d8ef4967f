//! Maps each client failure to a hint about what to do next, for the end of an error message.

use api::client::failure::{CertificateProblem, Failure};
use api::problem::Problem;

/// Returns a hint if there is one beyond what the failure's own text says.
pub(crate) fn on(failure: &Failure) -> Option<String> {
    Some(match failure {
        Failure::Unreachable { .. } => {
            "start a control plane there (`sitio demo` brings one), or say where yours is with --url or SITIO_URL".to_owned()
        }
        Failure::ProxyFailed { .. } => {
            "see whether HTTP_PROXY and HTTPS_PROXY name the right proxy, or name this host in NO_PROXY".to_owned()
        }
        Failure::NoAuthorities { .. } => {
            "install this machine's certificates (`ca-certificates`), or name a file with --ca-file or SITIO_CA_FILE".to_owned()
        }
        Failure::Untrusted { problem, .. } => on_certificate(problem).to_owned(),
        Failure::NotTls { .. } => "say http:// in --url or SITIO_URL, or name the port at which TLS is spoken".to_owned(),
        Failure::TlsWanted { .. } => "say https:// in --url or SITIO_URL".to_owned(),
        Failure::NotHttp { .. } => {
            "if TLS is spoken there, say https://; if it is the sidecars' port (8091), name the dashboard's (8090)".to_owned()
        }
        Failure::Moved { .. } => "if that is the control plane, name it with --url or SITIO_URL".to_owned(),
        Failure::NotReached { .. } => {
            "see whether the control plane runs and is ready, and whether the way to it is right".to_owned()
        }
        Failure::TooSlow { .. } => "try again, and look at its log and its load".to_owned(),
        Failure::TokenWanted { .. } => "set SITIO_TOKEN, or name a file that holds it with --token-file".to_owned(),
        Failure::TokenWrong { .. } => "set SITIO_TOKEN to the one that the control plane was started with".to_owned(),
        Failure::NotSitio { .. } => format!(
            "see whether --url or SITIO_URL is right; if it is, the control plane is of another version than this sitio, {}",
            env!("CARGO_PKG_VERSION")
        ),
        Failure::ConnectionLost { url, .. } if url.starts_with("http://") => {
            "if the control plane was restarting, try again; if TLS is spoken there, say https://; \
             if it is the sidecars' port (8091), name the dashboard's (8090)"
                .to_owned()
        }
        Failure::ConnectionLost { .. } => "the control plane may be restarting: try again".to_owned(),
        Failure::Refused { problem, .. } => return on_problem(problem).map(str::to_owned),
    })
}

fn on_certificate(problem: &CertificateProblem) -> &'static str {
    match problem {
        CertificateProblem::Issuer => {
            "name the file with its authority's certificate by --ca-file or SITIO_CA_FILE, if you believe that one"
        }
        CertificateProblem::Expired => "renew it, or set this machine's clock if that is wrong",
        CertificateProblem::NotYet => "set this machine's clock, or wait",
        CertificateProblem::Name(_) => "use the name that it is for, in --url or SITIO_URL",
        CertificateProblem::Authority => {
            "name the file with exactly this certificate by --ca-file or SITIO_CA_FILE, or make one with CA:FALSE \
             (`openssl req -x509 -addext basicConstraints=critical,CA:FALSE …`)"
        }
        CertificateProblem::Other(_) => "give the control plane's door another one, signed by an authority",
    }
}

fn on_problem(problem: &Problem) -> Option<&'static str> {
    let kinds = [
        ("unknown-rule", "`sitio rules` lists those in force"),
        ("unknown-pod", "`sitio pods` lists those there are"),
        ("gone-pod", "`sitio pods` lists those there are"),
        ("duplicate", "`sitio rules` shows how it is doing"),
        ("unseen", "`sitio stat` lists what was called; if the name is right, say --allow-unseen"),
        ("protected", "if it must be, say --override-protected"),
        ("ended", "`sitio audit` shows who ended it"),
        ("too-many-taps", "close one, or try again in a few seconds"),
        ("busy", "try again in a second"),
        ("stale", "try again"),
        ("store", "look at the control plane's disk and its log"),
        ("host", "use http://127.0.0.1 or http://localhost, or give the control plane a token"),
    ];
    kinds.into_iter().find(|(kind, _)| problem.is(kind)).map(|(_, advice)| advice)
}
