//! Onboarding: commands for the first sidecar, with this control plane's address filled in.

use std::net::SocketAddr;

use axum::http::uri::Authority;
use axum::http::{HeaderMap, header};

/// The texts to paste.
#[derive(Debug)]
pub struct OnboardingTexts {
    /// A command for a laptop.
    pub command: String,
    /// A container for a pod.
    pub container: String,
}

impl OnboardingTexts {
    /// The texts for a control plane that sidecars reach at `address`.
    pub fn at(address: &str, access: TokenRequirement) -> Self {
        let (token, secret) = match access {
            TokenRequirement::Open => ("", ""),
            TokenRequirement::Token => (
                "SITIO_TOKEN=… \\\n",
                "\n    - name: SITIO_TOKEN\n      valueFrom: { secretKeyRef: { name: sitio-token, key: token } }",
            ),
        };
        let version = env!("CARGO_PKG_VERSION");
        Self {
            command: format!(
                "{token}sitio run --control-plane {address} \\\n  --port 8080 --target 8087 \\\n  -- python3 -m http.server 8087"
            ),
            container: format!(
                "- name: sitio\n  image: sitio-sidecar:{version}\n  restartPolicy: Always\n  env:\n    \
                 - {{ name: PORT, value: \"8080\" }}\n    \
                 - {{ name: TARGET_PORT, value: \"8087\" }}\n    \
                 - name: SITIO_CONTROL_PLANE\n      value: \"{address}\"{secret}"
            ),
        }
    }
}

/// Whether a sidecar needs a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenRequirement {
    /// No token: everything is on this machine.
    Open,
    /// A token is needed, as for the dashboard itself.
    Token,
}

/// The onboarding texts for a browser that sent these headers.
pub fn first_minute(stream_address: SocketAddr, headers: &HeaderMap) -> OnboardingTexts {
    // A control plane that listens beyond this machine always needs a token.
    let is_open = stream_address.ip().is_loopback();
    OnboardingTexts::at(
        &stream_url(stream_address, headers),
        if is_open { TokenRequirement::Open } else { TokenRequirement::Token },
    )
}

/// The address for sidecars; if we listen on all addresses, with the host of the `Host` header.
fn stream_url(address: SocketAddr, headers: &HeaderMap) -> String {
    if !address.ip().is_unspecified() {
        return format!("http://{address}");
    }
    let host = headers.get(header::HOST).and_then(|host| Authority::try_from(host.as_bytes()).ok());
    format!("http://{}:{}", host.as_ref().map_or("control-plane", Authority::host), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pasted_has_the_address_in_it() {
        let open = OnboardingTexts::at("http://mesh.example:8091", TokenRequirement::Open);
        assert!(open.command.starts_with("sitio run --control-plane http://mesh.example:8091 \\\n"));
        assert!(open.container.ends_with("value: \"http://mesh.example:8091\""));
        assert!(!open.container.contains("SITIO_TOKEN"));
    }

    #[test]
    fn a_token_is_asked_for_where_one_is_needed() {
        let guarded = OnboardingTexts::at("http://mesh.example:8091", TokenRequirement::Token);
        assert!(guarded.command.starts_with("SITIO_TOKEN=… \\\nsitio run"));
        assert!(guarded.container.contains("\n    - name: SITIO_TOKEN\n      valueFrom:"));
    }
}
