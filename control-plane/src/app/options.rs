//! The options of a control plane, alone or as one of several.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::access::caller::TrustedProxies;
use crate::access::settings::SignInSettings;
use crate::ca_publisher::CaConfigMap;
use crate::counts::memory::Budget;
use crate::grpc::admission::PlaintextPolicy;
use crate::public_url::PublicUrl;
use crate::service_accounts::ServiceAccounts;
use crate::store::rollup::Keep;
use crate::tls::TlsSettings;
use crate::token::SecretToken;
use crate::webhook::settings::WebhookOptions;

/// The default time for which a pod that is gone is remembered.
pub const FORGET_PODS_AFTER: Duration = Duration::from_secs(3600);

/// The options of a control plane.
#[derive(Clone)]
pub struct AppOptions {
    /// The folder for all persistent data.
    pub data_dir: PathBuf,
    /// The retention of the pods' counts in it.
    pub keep: Keep,
    /// What sidecars and people authenticate with; needed on anything but loopback.
    pub token: Option<SecretToken>,
    /// How people and scripts sign in, besides the token.
    pub sign_in: SignInSettings,
    /// How long a pod that is gone is remembered.
    pub forget_pods_after: Duration,
    /// Verifies the service-account tokens of sidecars' pods, if they are accepted.
    pub service_accounts: Option<Arc<ServiceAccounts>>,
    /// TLS on the port for sidecars.
    pub tls: TlsSettings,
    /// The ConfigMap in which the control plane's own CA is published, if there is one.
    pub ca_configmap: Option<CaConfigMap>,
    /// Where sidecars may connect from without TLS.
    pub plaintext: PlaintextPolicy,
    /// Streams that one address may hold at a time.
    pub streams_per_address_max: usize,
    /// The URL of the dashboard in browsers, if there is a proxy in front of it.
    pub public_url: Option<PublicUrl>,
    /// Proxies whose reports of client addresses are trusted.
    pub trusted_proxies: TrustedProxies,
    /// The memory for what sidecars report.
    pub budget: Budget,
    /// The admission webhook, if there is one.
    pub webhook: Option<WebhookOptions>,
    /// The file with the channels of notifications, if there is one.
    pub notifications_file: Option<PathBuf>,
}

impl AppOptions {
    /// Without a token, for this machine only, with its data in this folder.
    pub fn in_folder(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            keep: Keep::DEFAULT,
            token: None,
            sign_in: SignInSettings::default(),
            forget_pods_after: FORGET_PODS_AFTER,
            service_accounts: None,
            tls: TlsSettings::default(),
            ca_configmap: None,
            plaintext: PlaintextPolicy::Loopback,
            streams_per_address_max: Budget::default().streams_of_address(),
            public_url: None,
            trusted_proxies: TrustedProxies::default(),
            budget: Budget::default(),
            webhook: None,
            notifications_file: None,
        }
    }
}
