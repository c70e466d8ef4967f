//! Starts the control plane: checks its options, opens its store, and runs it alone or as one of several replicas.

#[cfg(feature = "nats")]
use std::net::TcpListener;
use std::sync::Arc;

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use crate::access::sessions::file::SessionPlace;
use crate::app::listeners::{AppListeners, listen};
use crate::app::options::AppOptions;
#[cfg(feature = "nats")]
use crate::app::replica_ports::ReplicaPorts;
use crate::app::serve::{Backing, serve};
use crate::data_folder;
#[cfg(feature = "nats")]
use crate::replication_settings::ReplicationSettings;
use crate::store::StoreError;
use crate::store::redb::{FILE, RedbStore};

pub mod listeners;
mod notify;
pub mod options;
#[cfg(feature = "nats")]
mod replica_ports;
#[cfg(feature = "nats")]
mod replicas;
mod serve;

/// Runs the only control plane until drained.
pub async fn run(options: AppOptions, listeners: AppListeners, drain: CancellationToken) -> anyhow::Result<()> {
    listeners.check_sign_in(&options)?;
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
    listeners.check_sign_in(&options)?;
    let AppListeners { http, grpc, webhook } = listeners;
    // It is large, and the only one.
    Box::pin(replicas::run(options, settings, ReplicaPorts { http, grpc, webhook, peers }, drain)).await
}

async fn open_store(options: &AppOptions) -> anyhow::Result<Arc<RedbStore>> {
    let (data_dir, keep) = (options.data_dir.clone(), options.keep);
    let opening = tokio::task::spawn_blocking(move || {
        data_folder::prepare(&data_dir, FILE).map_err(|source| StoreError::Folder { folder: data_dir.clone(), source })?;
        let store = RedbStore::open_with(&data_dir, keep)?;
        store.leave_log()?;
        Ok::<_, StoreError>(Arc::new(store))
    });
    Ok(opening.await.context("open the store")??)
}
