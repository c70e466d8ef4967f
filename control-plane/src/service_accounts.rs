//! Verifies the service-account tokens that Kubernetes projects into pods, and says which pod a token belongs to.

use std::time::{Duration, SystemTime};

use clap::{Args, ValueEnum};
use openid::key_set::{KeySet, TokenFault, claims_of_verified};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Semaphore;

use crate::kubernetes_api::{KubernetesApi, KubernetesSettings, NoCluster};
use crate::service_accounts::key_set::ClusterKeys;

mod key_set;

/// The path of a token review (Kubernetes API, `authentication.k8s.io/v1`).
const TOKEN_REVIEWS: &str = "/apis/authentication.k8s.io/v1/tokenreviews";

/// Token reviews at a time. Each is a request to the Kubernetes API, and any peer may cause one.
const REVIEWS_MAX: usize = 16;

/// How long after a token's end its stream ends. Its clock and ours may differ, and the sidecar reconnects by itself when
/// its token is renewed.
const LEEWAY: Duration = Duration::from_secs(60);

/// The settings of service-account tokens.
#[derive(Debug, Clone, Args)]
pub struct ServiceAccountSettings {
    /// Accept the service-account tokens of sidecars' pods: verified by the cluster's published keys, or by a token review for each stream, which needs the right to create them.
    #[arg(long = "service-accounts", env = "SITIO_SERVICE_ACCOUNTS", value_name = "HOW", value_enum, default_value_t = Verification::Off)]
    verification: Verification,
    /// The audience that the tokens must have.
    #[arg(
        long = "service-account-audience",
        env = "SITIO_SERVICE_ACCOUNT_AUDIENCE",
        value_name = "NAME",
        default_value = "sitio"
    )]
    audience: String,
}

/// How tokens are verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Verification {
    /// They are not accepted.
    Off,
    /// By the cluster's key set, which any pod may read.
    Keys,
    /// By asking the Kubernetes API about each.
    Review,
}

impl ServiceAccountSettings {
    /// The verifier, if tokens are accepted.
    pub fn verifier(&self, kubernetes: &KubernetesSettings) -> Result<Option<ServiceAccounts>, NoCluster> {
        if self.verification == Verification::Off {
            return Ok(None);
        }
        Ok(self.verifier_with(kubernetes.api("SITIO_SERVICE_ACCOUNTS")?))
    }

    /// The verifier that asks this API, if tokens are accepted.
    pub fn verifier_with(&self, api: KubernetesApi) -> Option<ServiceAccounts> {
        let verifier = match self.verification {
            Verification::Off => return None,
            Verification::Keys => Verifier::Keys(ClusterKeys::new(api)),
            Verification::Review => Verifier::Review(api, Semaphore::new(REVIEWS_MAX)),
        };
        Some(ServiceAccounts { verifier, audience: self.audience.clone() })
    }

    /// Whether sidecars can authenticate by them.
    pub fn are_accepted(&self) -> bool {
        self.verification != Verification::Off
    }
}

/// Verifies service-account tokens.
pub struct ServiceAccounts {
    verifier: Verifier,
    audience: String,
}

enum Verifier {
    Keys(ClusterKeys),
    Review(KubernetesApi, Semaphore),
}

/// The pod that a token belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodIdentity {
    /// Its namespace.
    pub namespace: String,
    /// Its service account.
    pub service_account: String,
    /// Its name.
    pub pod: String,
    /// Its UID.
    pub pod_uid: String,
    /// When its stream has to end, if the token says when it ends.
    pub until: Option<SystemTime>,
}

/// Why a token is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum TokenRefused {
    /// It is wrong.
    #[error("the service-account token is refused: {0}")]
    Wrong(String),
    /// It could not be verified.
    #[error("the service-account token cannot be verified now: {0}")]
    Unverified(String),
}

/// The claims of a projected token (Kubernetes, "Managing Service Accounts": bound service account tokens).
#[derive(Debug, Deserialize)]
struct Claims {
    exp: u64,
    #[serde(rename = "kubernetes.io")]
    bound: Bound,
}

/// The end of any token.
#[derive(Debug, Deserialize)]
struct Expiry {
    exp: u64,
}

#[derive(Debug, Deserialize)]
struct Bound {
    namespace: String,
    serviceaccount: Named,
    pod: Option<Named>,
}

#[derive(Debug, Deserialize)]
struct Named {
    name: String,
    uid: String,
}

impl ServiceAccounts {
    /// Verifies a token, and returns its pod.
    pub async fn verify(&self, token: &str) -> Result<PodIdentity, TokenRefused> {
        match &self.verifier {
            Verifier::Keys(keys) => self.by_keys(keys, token).await,
            Verifier::Review(api, places) => {
                let Ok(_place) = places.try_acquire() else {
                    return Err(TokenRefused::Unverified("too many others are being reviewed".to_owned()));
                };
                self.by_review(api, token).await
            }
        }
    }

    async fn by_keys(&self, keys: &ClusterKeys, token: &str) -> Result<PodIdentity, TokenRefused> {
        let wrong = |fault| TokenRefused::Wrong(reason(fault));
        let kid = KeySet::kid_of(token).map_err(wrong)?.ok_or_else(|| TokenRefused::Wrong("it names no key".to_owned()))?;
        let Some((key, expected)) = keys.find(&kid, &self.audience).await.map_err(TokenRefused::Unverified)? else {
            return Err(TokenRefused::Wrong("it is signed by a key that the cluster does not publish".to_owned()));
        };
        let claims: Claims = key.verify(token, &expected).map_err(wrong)?;
        let Some(pod) = claims.bound.pod else {
            return Err(TokenRefused::Wrong("it is bound to no pod: project the token into the sidecar's pod".to_owned()));
        };
        Ok(PodIdentity {
            namespace: claims.bound.namespace,
            service_account: claims.bound.serviceaccount.name,
            pod: pod.name,
            pod_uid: pod.uid,
            until: end_of_stream(claims.exp),
        })
    }

    async fn by_review(&self, api: &KubernetesApi, token: &str) -> Result<PodIdentity, TokenRefused> {
        let spec = json!({ "token": token, "audiences": [self.audience] });
        let review = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec });
        let reviewed = api.create(TOKEN_REVIEWS, &review).await;
        let reviewed = reviewed.map_err(|error| TokenRefused::Unverified(format!("{:#}", anyhow::Error::new(error))))?;
        let status = &reviewed["status"];
        if status["authenticated"] != true {
            let why = status["error"].as_str().unwrap_or("the Kubernetes API does not accept it");
            return Err(TokenRefused::Wrong(why.to_owned()));
        }
        // An API server that does not know audiences leaves them out; then the token may be for anyone.
        let has_audience = status["audiences"].as_array().is_some_and(|all| all.iter().any(|one| one == &*self.audience));
        if !has_audience {
            return Err(TokenRefused::Wrong(format!("its audience is not {}", self.audience)));
        }
        let user = status["user"]["username"].as_str().unwrap_or_default();
        let account = user.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
        let extra = |key: &str| status["user"]["extra"][format!("authentication.kubernetes.io/{key}")][0].as_str();
        match (account, extra("pod-name"), extra("pod-uid")) {
            (Some((namespace, service_account)), Some(pod), Some(pod_uid)) => Ok(PodIdentity {
                namespace: namespace.to_owned(),
                service_account: service_account.to_owned(),
                pod: pod.to_owned(),
                pod_uid: pod_uid.to_owned(),
                // The review does not say when the token ends; the token, which the API has verified, does.
                until: claims_of_verified::<Expiry>(token).and_then(|claims| end_of_stream(claims.exp)),
            }),
            _ => Err(TokenRefused::Wrong("it is bound to no pod: project the token into the sidecar's pod".to_owned())),
        }
    }
}

/// When the stream of a token ends that expires at `exp`, seconds since the Unix epoch.
fn end_of_stream(exp: u64) -> Option<SystemTime> {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(exp))?.checked_add(LEEWAY)
}

/// Why a token is wrong, in a few words.
fn reason(fault: TokenFault) -> String {
    match fault {
        TokenFault::Audience => {
            "it is for another audience: project it with the audience of SITIO_SERVICE_ACCOUNT_AUDIENCE".to_owned()
        }
        TokenFault::Issuer => "another cluster has issued it".to_owned(),
        TokenFault::Malformed => "it is not a service-account token".to_owned(),
        other => other.to_string(),
    }
}
