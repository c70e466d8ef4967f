//! Runs one control plane on a store: gRPC and HTTP servers, the writers, and the periodic tasks, until all are drained.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use platform::port_connections::PortConnections;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::access::policy::Access;
use crate::access::sessions::file::{SESSIONS_FILE, SessionPlace};
use crate::app::notify;
use crate::app::options::AppOptions;
use crate::ca_publisher::CaConfigMap;
use crate::clock::now_ms;
use crate::counts::fleet::Fleet;
use crate::counts::window_writer::WindowWriter;
use crate::grpc::admission::AdmissionPolicy;
use crate::grpc::secured::SecuredListener;
use crate::model::replicas::ReplicaMonitor;
use crate::public_url::PublicUrl;
use crate::state::AppState;
use crate::store::metrics_store::MetricsStore;
use crate::store::notice_store::NoticeStore;
use crate::store::redb::FILE;
use crate::store::{Store, StoreError};
use crate::store_id::ID_FILE;
use crate::tls::own_ca::CA_FILE;
use crate::tls::{ServerCertificate, acceptor};
use crate::{api, dashboard, data_folder, grpc, http, middleware, store_id, webhook};

/// How often expired data is evicted.
const EVICT_EVERY: Duration = Duration::from_secs(10);

/// How often the attached sidecars are recorded. After a crash, one that attached just before is not waited for.
const RECORD_EVERY: Duration = Duration::from_secs(1);

/// How long requests and streams may take to end once drained. Those that take longer are cut off.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(1500);

/// What a control plane runs on.
pub(super) struct Backing<Disk> {
    /// Everything that is stored.
    pub(super) store: Arc<Disk>,
    /// Where sign-in sessions are kept.
    pub(super) sessions: SessionPlace,
    /// What only the leader of several control planes has.
    pub(super) lead: Option<Lead>,
    /// The port for people and programs, and its address.
    pub(super) http: (PortConnections, SocketAddr),
    /// The port for sidecars, and its address.
    pub(super) grpc: (PortConnections, SocketAddr),
    /// The port for the admission webhook, and its address, if there is one.
    pub(super) webhook: Option<(PortConnections, SocketAddr)>,
}

/// What only the leader of several control planes has.
pub(super) struct Lead {
    /// Reports on the replicas.
    pub(super) monitor: Arc<dyn ReplicaMonitor>,
    /// Changes whenever any replica has changed the rules in the store.
    pub(super) rule_changes: watch::Receiver<u64>,
}

/// Runs until drained.
pub(super) async fn serve<Disk: Store + MetricsStore + NoticeStore + 'static>(
    options: AppOptions,
    backing: Backing<Disk>,
    drain: CancellationToken,
) -> anyhow::Result<()> {
    // A child token: if one part ends first, the others are drained without cancelling the caller's token.
    let leaving = drain.child_token();
    let Backing { store, sessions, lead, http: (http, http_address), grpc: (grpc, grpc_address), webhook } = backing;
    let (monitor, rule_changes) = lead.map(|lead| (lead.monitor, lead.rule_changes)).unzip();
    let (state, window_writer) = open(&options, store, (grpc_address, monitor), leaving.clone()).await?;
    notify::configure(&state, options.notifications_file.clone(), options.public_url.as_ref()).await?;
    let (token, public_url, proxies) = (options.token.clone(), options.public_url.clone(), options.trusted_proxies.clone());
    let access = options.sign_in.clone().open(sessions, token, public_url, proxies).await?;
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
    parts.spawn(grpc::run(Arc::clone(&state), SecuredListener { connections: grpc, acceptor }, admission));
    if let Some(certificate) = certificate {
        parts.spawn(keep_certificate(certificate, options.ca_configmap, leaving.clone()));
    }
    if let Some(rule_changes) = rule_changes {
        parts.spawn(refresh_rules(Arc::clone(&state), rule_changes));
    }
    parts.spawn(end_rules(Arc::clone(&state)));
    parts.spawn(notify::run(Arc::clone(&state)));
    parts.spawn(write_windows(Arc::clone(&state), window_writer));
    parts.spawn(record_attached(Arc::clone(&state)));
    parts.spawn(evict_periodically(state));
    if let Some((webhook, (connections, address))) = options.webhook.zip(webhook) {
        tracing::info!("the admission webhook listens on {address}");
        parts.spawn(webhook::run(webhook, connections, leaving.clone()));
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

async fn open<Disk: Store + MetricsStore + NoticeStore + 'static>(
    options: &AppOptions,
    store: Arc<Disk>,
    (stream_address, monitor): (SocketAddr, Option<Arc<dyn ReplicaMonitor>>),
    drain: CancellationToken,
) -> anyhow::Result<(Arc<AppState>, WindowWriter)> {
    let (data_dir, fleet) = (options.data_dir.clone(), Fleet::with_budget(options.budget, options.forget_pods_after));
    let opening = tokio::task::spawn_blocking(move || {
        let (mut state, window_writer) = AppState::open(store, fleet, stream_address, drain)?;
        state.replica_monitor = monitor;
        check_store_id(&data_dir, &state);
        data_folder::close_files(&data_dir, &[FILE, SESSIONS_FILE, ID_FILE]);
        Ok::<_, StoreError>((state, window_writer))
    });
    let (state, window_writer) = opening.await.context("open the store")??;
    Ok((Arc::new(state), window_writer))
}

fn check_store_id(data_dir: &std::path::Path, state: &AppState) {
    if let Some(why) = store_id::check(data_dir, &state.rules.state().store) {
        state.warn_store_replaced(why);
    }
}

/// Publishes the changes of the rules that another replica has committed: one that still took itself for the leader.
async fn refresh_rules(state: Arc<AppState>, mut rule_changes: watch::Receiver<u64>) -> anyhow::Result<()> {
    // What was committed while the state was opened is not missed.
    rule_changes.mark_changed();
    loop {
        tokio::select! {
            changed = rule_changes.changed() => changed.context("the follower has ended")?,
            () = state.drain.cancelled() => return Ok(()),
        }
        if let Err(error) = state.rules.refresh().await {
            tracing::error!(%error, "the rules of another replica could not be read");
        }
    }
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
    connections: PortConnections,
    access: Arc<Access>,
    public_url: Option<PublicUrl>,
) -> anyhow::Result<()> {
    let drain = state.drain.clone();
    let routes = dashboard::pages(Arc::clone(&state)).merge(api::routes(state));
    http::serve(connections, middleware::around(routes, access, public_url), drain).await;
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
