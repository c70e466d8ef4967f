//! Decides whether a sidecar's call is admitted: by how its connection is protected, and by its token.

use std::sync::Arc;
use std::time::Instant;

use tonic::{Request, Status};

use crate::attempt_limiter::{Guess, Guesses};
use crate::grpc::connections::{StreamPeer, TransportSecurity};
use crate::state::AppState;
use crate::token::SecretToken;

/// The conditions for a stream to be accepted.
#[derive(Debug, Clone)]
pub struct AdmissionPolicy {
    /// The token that sidecars must send, if one is set.
    pub token: Option<SecretToken>,
    /// Where sidecars may connect from without TLS.
    pub plaintext: PlaintextPolicy,
    /// Streams that one address may hold at a time.
    pub streams_per_address_max: usize,
}

/// Where a connection without TLS is accepted from. Others could read its token and its counts on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaintextPolicy {
    /// From this machine.
    Loopback,
    /// From everywhere: something else protects the network, or sidecars are being upgraded.
    Anywhere,
}

/// Admits calls by a policy.
#[derive(Clone)]
pub(super) struct Admission {
    policy: AdmissionPolicy,
    guesses: Arc<Guesses>,
    state: Arc<AppState>,
}

impl Admission {
    pub(super) fn new(policy: AdmissionPolicy, state: Arc<AppState>) -> Self {
        Self { policy, guesses: Arc::default(), state }
    }

    /// Admits a call, or returns why it is refused.
    pub(super) fn check(&self, request: Request<()>) -> Result<Request<()>, Status> {
        let admitted = self.check_transport(&request).and_then(|()| self.check_token(&request));
        if let Err(refused) = admitted {
            self.state.stream_counts.strangers.up();
            return Err(refused);
        }
        Ok(request)
    }

    fn check_transport(&self, request: &Request<()>) -> Result<(), Status> {
        let peer = peer(request);
        let is_plaintext = peer.security.get() != Some(&TransportSecurity::Tls);
        if is_plaintext && self.policy.plaintext == PlaintextPolicy::Loopback && !peer.address.is_loopback() {
            return Err(Status::failed_precondition(
                "this control plane accepts TLS only: set SITIO_CONTROL_PLANE to https://… and SITIO_CA_FILE to its CA",
            ));
        }
        Ok(())
    }

    fn check_token(&self, request: &Request<()>) -> Result<(), Status> {
        let Some(token) = &self.policy.token else { return Ok(()) };
        let authorization = request.metadata().get("authorization").and_then(|value| value.to_str().ok());
        let peer = peer(request).address;
        let shown = authorization.and_then(SecretToken::shown_in);
        match shown.map(|shown| self.guesses.check(token, shown, peer, Instant::now())) {
            Some(Guess::Right) => Ok(()),
            Some(Guess::TooMany { retry_after }) => Err(Status::resource_exhausted(format!(
                "too many wrong tokens from {peer}, retry in {retry_after:?}: set SITIO_TOKEN to the same value on both sides"
            ))),
            _ => Err(Status::unauthenticated("the token is missing or wrong: set SITIO_TOKEN to the same value on both sides")),
        }
    }
}

fn peer(request: &Request<()>) -> &StreamPeer {
    request.extensions().get::<StreamPeer>().expect("every connection has a StreamPeer")
}
