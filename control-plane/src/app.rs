//! Starts the control plane: checks its options, opens its store, and runs it alone or as one of several replicas.

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use socket2::SockRef;
use tokio_util::sync::CancellationToken;

use crate::access::caller::TrustedProxies;
use crate::access::sessions::file::SessionPlace;
use crate::access::settings::SignInSettings;
use crate::app::serve::{Backing, serve};
use crate::ca_publisher::CaConfigMap;
use crate::counts::memory::Budget;
use crate::data_folder;
use crate::grpc::admission::PlaintextPolicy;
use crate::public_url::PublicUrl;
#[cfg(feature = "nats")]
use crate::replication_settings::ReplicationSettings;
use crate::service_accounts::ServiceAccounts;
use crate::store::StoreError;
use crate::store::redb::{FILE, RedbStore};
use crate::store::rollup::Keep;
use crate::tls::TlsSettings;
use crate::token::SecretToken;
use crate::webhook::settings::WebhookOptions;

mod notify;
#[cfg(feature = "nats")]
mod replicas;
mod serve;

/// The default time for which a pod that is gone is remembered.
pub const FORGET_PODS_AFTER: Duration = Duration::from_secs(3600);

/// The length of the kernel's accept queue, as far as the kernel grants it: a whole fleet reconnects at once, and a
/// client that finds no room retries only after a second.
const BACKLOG: i32 = 16_384;

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

/// The bound ports.
#[derive(Debug)]
pub struct AppListeners {
    /// For the dashboard and the API.
    pub http: TcpListener,
    /// For sidecars.
    pub grpc: TcpListener,
    /// For the admission webhook, if there is one.
    pub webhook: Option<TcpListener>,
}

/// Runs the only control plane until drained.
pub async fn run(options: AppOptions, listeners: AppListeners, drain: CancellationToken) -> anyhow::Result<()> {
    check_sign_in(&options, &listeners)?;
    let (http_address, grpc_address) = (listeners.http.local_addr()?, listeners.grpc.local_addr()?);
    let (http, grpc) = (listen(listeners.http)?, listen(listeners.grpc)?);
    let webhook = match listeners.webhook {
        Some(port) => Some((listen(port.try_clone()?)?.into(), port.local_addr()?)),
        None => None,
    };
    let backing = Backing {
        store: open_store(&options).await?,
        sessions: SessionPlace::Folder(options.data_dir.clone()),
        lead: None,
        http: (http.into(), http_address),
        grpc: (grpc.into(), grpc_address),
        webhook,
    };
    serve(options, backing, drain).await
}

/// Runs one of several control planes until drained. `peers` is its port for the others.
#[cfg(feature = "nats")]
pub async fn run_replica(
    options: AppOptions,
    settings: ReplicationSettings,
    (listeners, peers): (AppListeners, TcpListener),
    drain: CancellationToken,
) -> anyhow::Result<()> {
    check_sign_in(&options, &listeners)?;
    let AppListeners { http, grpc, webhook } = listeners;
    // It is large, and the only one.
    Box::pin(replicas::run(options, settings, replicas::Ports { http, grpc, webhook, peers }, drain)).await
}

/// Refuses ports that other machines reach without any sign-in.
fn check_sign_in(options: &AppOptions, listeners: &AppListeners) -> anyhow::Result<()> {
    let (http_address, grpc_address) = (listeners.http.local_addr()?, listeners.grpc.local_addr()?);
    let is_open = options.token.is_none() && !options.sign_in.is_given();
    let is_grpc_open = options.token.is_none() && options.service_accounts.is_none();
    if (is_open && !http_address.ip().is_loopback()) || (is_grpc_open && !grpc_address.ip().is_loopback()) {
        bail!("a control plane that listens on other addresses than loopback needs a sign-in, and a token for sidecars");
    }
    Ok(())
}

fn listen(listener: TcpListener) -> anyhow::Result<tokio::net::TcpListener> {
    // The standard library binds with a queue of 128.
    SockRef::from(&listener).listen(BACKLOG).context("set the listener's backlog")?;
    listener.set_nonblocking(true).context("register a listener with tokio")?;
    tokio::net::TcpListener::from_std(listener).context("register a listener with tokio")
}

async fn open_store(options: &AppOptions) -> anyhow::Result<Arc<RedbStore>> {
    let (data_dir, keep) = (options.data_dir.clone(), options.keep);
    let opening = tokio::task::spawn_blocking(move || {
        data_folder::prepare(&data_dir, FILE).map_err(|source| StoreError::Folder { folder: data_dir.clone(), source })?;
        Ok::<_, StoreError>(Arc::new(RedbStore::open_with(&data_dir, keep)?))
    });
    Ok(opening.await.context("open the store")??)
}
