//! Decides whether a sidecar's call is admitted: by how its connection is protected, and by its token.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use mesh::workload::{Workload, service_of};
use tonic::{Request, Status};

use crate::attempt_limiter::{Guess, Guesses};
use crate::grpc::connections::{StreamPeer, TransportSecurity};
use crate::service_accounts::{PodIdentity, ServiceAccounts, TokenRefused};
use crate::state::AppState;
use crate::token::SecretToken;

/// The conditions for a stream to be accepted.
#[derive(Clone)]
pub struct AdmissionPolicy {
    /// The token that sidecars must send, if one is set.
    pub token: Option<SecretToken>,
    /// Verifies the service-account tokens of pods, if they are accepted.
    pub service_accounts: Option<Arc<ServiceAccounts>>,
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
    /// From nowhere: sidecars need certificates.
    Nowhere,
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

/// What is known about the sidecar of an admitted call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SidecarIdentity {
    /// It may be any pod: it has the shared token, or needs none.
    Any,
    /// It is in this pod.
    Pod(PodIdentity),
}

impl Admission {
    pub(super) fn new(policy: AdmissionPolicy, state: Arc<AppState>) -> Self {
        Self { policy, guesses: Arc::default(), state }
    }

    /// Admits a call, or returns why it is refused.
    pub(super) async fn admit<T>(&self, request: &Request<T>) -> Result<SidecarIdentity, Status> {
        let peer = request.extensions().get::<StreamPeer>().expect("every connection has a StreamPeer");
        let authorization = request.metadata().get("authorization").and_then(|value| value.to_str().ok());
        let shown = authorization.and_then(SecretToken::shown_in);
        let admitted = match self.check_transport(peer) {
            Ok(()) => self.authenticate(shown, peer.address).await,
            Err(refused) => Err(refused),
        };
        admitted.inspect_err(|_| self.state.stream_counts.strangers.up())
    }

    fn check_transport(&self, peer: &StreamPeer) -> Result<(), Status> {
        let is_admitted = match self.policy.plaintext {
            _ if peer.security.get() == Some(&TransportSecurity::Tls) => true,
            PlaintextPolicy::Nowhere => false,
            PlaintextPolicy::Loopback => peer.address.is_loopback(),
            PlaintextPolicy::Anywhere => true,
        };
        if !is_admitted {
            return Err(Status::failed_precondition(
                "this control plane accepts TLS only: set SITIO_CONTROL_PLANE to https://… and SITIO_CA_FILE to its CA",
            ));
        }
        Ok(())
    }

    async fn authenticate(&self, shown: Option<&str>, peer: IpAddr) -> Result<SidecarIdentity, Status> {
        // A JSON Web Token has three parts (RFC 7515, section 3.1).
        let web_token = shown.filter(|shown| shown.matches('.').count() == 2);
        if let (Some(accounts), Some(token)) = (&self.policy.service_accounts, web_token) {
            let verified = accounts.verify(token).await;
            return verified.map(SidecarIdentity::Pod).map_err(|refused| match refused {
                TokenRefused::Wrong(_) => Status::unauthenticated(refused.to_string()),
                TokenRefused::Unverified(_) => Status::unavailable(refused.to_string()),
            });
        }
        let Some(token) = &self.policy.token else {
            return match self.policy.service_accounts {
                None => Ok(SidecarIdentity::Any),
                Some(_) => Err(Status::unauthenticated(
                    "a service-account token is needed: project one into the pod and name it in SITIO_TOKEN_FILE",
                )),
            };
        };
        match shown.map(|shown| self.guesses.check(token, shown, peer, Instant::now())) {
            Some(Guess::Right) => Ok(SidecarIdentity::Any),
            Some(Guess::TooMany { retry_after }) => Err(Status::resource_exhausted(format!(
                "too many wrong tokens from {peer}, retry in {retry_after:?}: set SITIO_TOKEN to the same value on both sides"
            ))),
            _ => Err(Status::unauthenticated("the token is missing or wrong: set SITIO_TOKEN to the same value on both sides")),
        }
    }
}

impl SidecarIdentity {
    /// Checks that a sidecar says of itself what its token says.
    pub(super) fn check(&self, claimed: &Workload) -> Result<(), Status> {
        let Self::Pod(pod) = self else { return Ok(()) };
        let differs = |what: &str, claimed: &str, real: &str, setting: &str| {
            Err(Status::permission_denied(format!(
                "the sidecar reports {what} {claimed}, and its service-account token belongs to {what} {real}: set {setting} from the pod itself"
            )))
        };
        if claimed.namespace != pod.namespace {
            return differs("namespace", &claimed.namespace, &pod.namespace, "POD_NAMESPACE");
        }
        if claimed.pod != pod.pod {
            return differs("pod", &claimed.pod, &pod.pod, "POD_NAME");
        }
        if claimed.pod_uid != pod.pod_uid {
            return differs("pod UID", &claimed.pod_uid, &pod.pod_uid, "POD_UID");
        }
        let is_of_pod = pod.pod.strip_prefix(&*claimed.service).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
        if is_of_pod || claimed.service == pod.service_account {
            return Ok(());
        }
        Err(Status::permission_denied(format!(
            "pod {} reports for service {}: set SITIO_SERVICE to {}, or name the pod's service account {}",
            pod.pod,
            claimed.service,
            service_of(&pod.pod),
            claimed.service
        )))
    }

    /// When the stream has to end, because the token has expired.
    pub(super) fn until(&self) -> Option<SystemTime> {
        match self {
            Self::Any => None,
            Self::Pod(pod) => pod.until,
        }
    }
}
