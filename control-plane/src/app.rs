//! Runs the control plane: store, fleet, timeline and rules behind the gRPC and HTTP servers, until all are drained.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use socket2::SockRef;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::access::caller::TrustedProxies;
use crate::access::policy::Access;
use crate::access::sessions::file::SESSIONS_FILE;
use crate::access::settings::SignInSettings;
use crate::ca_publisher::CaConfigMap;
use crate::clock::now_ms;
use crate::counts::fleet::Fleet;
use crate::counts::memory::Budget;
use crate::counts::window_writer::WindowWriter;
use crate::grpc::admission::{AdmissionPolicy, PlaintextPolicy};
use crate::grpc::secured::SecuredListener;
use crate::public_url::PublicUrl;
use crate::service_accounts::ServiceAccounts;
use crate::state::AppState;
use crate::store::StoreError;
use crate::store::redb::{FILE, RedbStore};
use crate::store::rollup::Keep;
use crate::store_id::ID_FILE;
use crate::tls::own_ca::CA_FILE;
use crate::tls::{ServerCertificate, TlsSettings, acceptor};
use crate::token::SecretToken;
use crate::webhook::settings::WebhookOptions;
use crate::{api, dashboard, data_folder, grpc, http, middleware, store_id, webhook};

mod notify;

/// The default time for which a pod that is gone is remembered.
pub const FORGET_PODS_AFTER: Duration = Duration::from_secs(3600);

/// The length of the kernel's accept queue, as far as the kernel grants it: a whole fleet reconnects at once, and a
/// client that finds no room retries only after a second.
const BACKLOG: i32 = 16_384;

/// How often expired data is evicted.
const EVICT_EVERY: Duration = Duration::from_secs(10);

/// How often the attached sidecars are recorded. After a crash, one that attached just before is not waited for.
const RECORD_EVERY: Duration = Duration::from_secs(1);

/// How long requests and streams may take to end once drained. Those that take longer are cut off.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(1500);

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

/// Runs the control plane until drained.
pub async fn run(options: AppOptions, listeners: AppListeners, drain: CancellationToken) -> anyhow::Result<()> {
    let (http, grpc) = (listen(listeners.http)?, listen(listeners.grpc)?);
    let (http_address, grpc_address) = (http.local_addr()?, grpc.local_addr()?);
    let is_open = options.token.is_none() && !options.sign_in.is_given();
    let is_grpc_open = options.token.is_none() && options.service_accounts.is_none();
    if (is_open && !http_address.ip().is_loopback()) || (is_grpc_open && !grpc_address.ip().is_loopback()) {
        bail!("a control plane that listens on other addresses than loopback needs a sign-in, and a token for sidecars");
    }
    // A child token: if one part ends first, the others are drained without cancelling the caller's token.
    let leaving = drain.child_token();
    let (state, window_writer) = open(&options, grpc_address, leaving.clone()).await?;
    notify::configure(&state, options.notifications_file.clone(), options.public_url.as_ref()).await?;
    let (token, public_url, proxies) = (options.token.clone(), options.public_url.clone(), options.trusted_proxies.clone());
    let access = options.sign_in.clone().open(&options.data_dir, token, public_url, proxies).await?;
    let certificate = certificate(&options, grpc_address).await?;
    let acceptor = certificate.clone().map(|certificate| acceptor(certificate, b"h2")).transpose()?;
    tracing::info!("memory for what sidecars report: {}", options.budget);
    tracing::info!("listening http={http_address} grpc={grpc_address}");

    let mut parts = JoinSet::new();
    parts.spawn(refresh_access(Arc::clone(&access), leaving.clone()));
    parts.spawn(serve_http(Arc::clone(&state), http, access, options.public_url));
    let admission = AdmissionPolicy {
        token: options.token,
        service_accounts: options.service_accounts,
        plaintext: options.plaintext,
        streams_per_address_max: options.streams_per_address_max,
    };
    parts.spawn(grpc::run(Arc::clone(&state), SecuredListener { listener: grpc, acceptor }, admission));
    if let Some(certificate) = certificate {
        parts.spawn(keep_certificate(certificate, options.ca_configmap, leaving.clone()));
    }
    parts.spawn(end_rules(Arc::clone(&state)));
    parts.spawn(notify::run(Arc::clone(&state)));
    parts.spawn(write_windows(Arc::clone(&state), window_writer));
    parts.spawn(record_attached(Arc::clone(&state)));
    parts.spawn(evict_periodically(state));
    if let (Some(webhook), Some(listener)) = (options.webhook, listeners.webhook) {
        let listener = listen(listener)?;
        tracing::info!("the admission webhook listens on {}", listener.local_addr()?);
        parts.spawn(webhook::run(webhook, listener, leaving.clone()));
    }
    // All parts run until drained; one that ends earlier stops the others.
    let first = parts.join_next().await;
    leaving.cancel();
    let outcome = first.map_or(Ok(()), flatten);
    if let Ok(others) = tokio::time::timeout(DRAIN_TIMEOUT, all(&mut parts)).await {
        return outcome.and(others);
    }
    tracing::debug!("some requests or streams took too long to end and were cut off");
    outcome
}

async fn all(parts: &mut JoinSet<anyhow::Result<()>>) -> anyhow::Result<()> {
    let mut outcome = Ok(());
    while let Some(ended) = parts.join_next().await {
        outcome = outcome.and(flatten(ended));
    }
    outcome
}

fn flatten(ended: Result<anyhow::Result<()>, tokio::task::JoinError>) -> anyhow::Result<()> {
    ended.context("a part of the control plane panicked")?
}

fn listen(listener: TcpListener) -> anyhow::Result<tokio::net::TcpListener> {
    // The standard library binds with a queue of 128.
    SockRef::from(&listener).listen(BACKLOG).context("set the listener's backlog")?;
    listener.set_nonblocking(true).context("register a listener with tokio")?;
    tokio::net::TcpListener::from_std(listener).context("register a listener with tokio")
}

async fn open(
    options: &AppOptions,
    stream_address: SocketAddr,
    drain: CancellationToken,
) -> anyhow::Result<(Arc<AppState>, WindowWriter)> {
    let (data_dir, keep, fleet) =
        (options.data_dir.clone(), options.keep, Fleet::with_budget(options.budget, options.forget_pods_after));
    let opening = tokio::task::spawn_blocking(move || {
        data_folder::prepare(&data_dir, FILE).map_err(|source| StoreError::Folder { folder: data_dir.clone(), source })?;
        let store = Arc::new(RedbStore::open_with(&data_dir, keep)?);
        let (state, window_writer) = AppState::open(store, fleet, stream_address, drain)?;
        if let Some(why) = store_id::check(&data_dir, &state.rules.state().store) {
            state.warn_store_replaced(why);
        }
        data_folder::close_files(&data_dir, &[FILE, SESSIONS_FILE, ID_FILE]);
        Ok::<_, StoreError>((state, window_writer))
    });
    let (state, window_writer) = opening.await.context("open the store")??;
    Ok((Arc::new(state), window_writer))
}

async fn refresh_access(access: Arc<Access>, drain: CancellationToken) -> anyhow::Result<()> {
    access.run(drain).await;
    Ok(())
}

/// The certificate for sidecars: on loopback only if one is configured, or asked for.
async fn certificate(options: &AppOptions, grpc_address: SocketAddr) -> anyhow::Result<Option<Arc<ServerCertificate>>> {
    if grpc_address.ip().is_loopback() && !options.tls.names_a_certificate() && !options.tls.asks_for_certificates() {
        return Ok(None);
    }
    let (tls, folder) = (options.tls.clone(), options.data_dir.clone());
    let opened = tokio::task::spawn_blocking(move || tls.open(&folder)).await.context("open the certificate")??;
    if opened.own_ca().is_some() {
        tracing::info!("sidecars verify this control plane by the CA in {}", options.data_dir.join(CA_FILE).display());
    }
    Ok(Some(opened))
}

/// Renews the certificate for sidecars, and publishes the CA that has signed it.
async fn keep_certificate(
    certificate: Arc<ServerCertificate>,
    ca_configmap: Option<CaConfigMap>,
    drain: CancellationToken,
) -> anyhow::Result<()> {
    let own_ca = certificate.own_ca().map(str::to_owned);
    let publishing = async {
        if let Some((ca_configmap, ca)) = ca_configmap.zip(own_ca) {
            ca_configmap.keep_published(ca, drain.clone()).await;
        }
    };
    tokio::join!(certificate.keep_current(drain.clone()), publishing);
    Ok(())
}

async fn serve_http(
    state: Arc<AppState>,
    listener: tokio::net::TcpListener,
    access: Arc<Access>,
    public_url: Option<PublicUrl>,
) -> anyhow::Result<()> {
    let drain = state.drain.clone();
    let routes = dashboard::pages(Arc::clone(&state)).merge(api::routes(state));
    http::serve(listener, middleware::around(routes, access, public_url), drain).await;
    Ok(())
}

async fn end_rules(state: Arc<AppState>) -> anyhow::Result<()> {
    state.rules.run(state.drain.clone()).await;
    Ok(())
}

async fn write_windows(state: Arc<AppState>, window_writer: WindowWriter) -> anyhow::Result<()> {
    // A process that ended may have had a window in this group: what it lost is certain now.
    window_writer.run(|| state.fleet.settle_losses(), state.drain.clone()).await;
    Ok(())
}

async fn evict(state: &Arc<AppState>) -> anyhow::Result<()> {
    let state = Arc::clone(state);
    tokio::task::spawn_blocking(move || state.evict(now_ms())).await.context("evict expired data")
}

async fn evict_periodically(state: Arc<AppState>) -> anyhow::Result<()> {
    let mut ticks = tokio::time::interval(EVICT_EVERY);
    loop {
        tokio::select! {
            _ = ticks.tick() => evict(&state).await?,
            () = state.drain.cancelled() => return Ok(()),
        }
    }
}

/// Records attached sidecars until drained, and once more then: those that said goodbye are not waited for.
///
/// Only the first failure in a row is logged: a full disk would cause a line a second.
async fn record_attached(state: Arc<AppState>) -> anyhow::Result<()> {
    let mut ticks = tokio::time::interval(RECORD_EVERY);
    let mut is_recorded = true;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = state.drain.cancelled() => {}
        }
        let is_last = state.drain.is_cancelled();
        let recording = Arc::clone(&state);
        let recorded = tokio::task::spawn_blocking(move || recording.record_attached(now_ms(), Instant::now())).await;
        let recorded = recorded.context("record which sidecars are attached")?;
        if let Err(error) = recorded.as_ref().map_err(ToString::to_string)
            && is_recorded
        {
            tracing::error!(
                error,
                "cannot record the attached sidecars: after a restart, the control plane does not wait for them"
            );
        }
        is_recorded = recorded.is_ok();
        if is_last {
            return Ok(());
        }
    }
}
