//! Opens the store of a replica: its own if it fits the log, else a copy of the leader's.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio_util::sync::CancellationToken;

use crate::data_folder;
use crate::replication::connection::Nats;
use crate::replication::lease::{Lease, LeaseHolder, LeaseState};
use crate::replication::peer::client::copy_store;
use crate::replication::streams::{Creation, RULES, Streams, WINDOWS};
use crate::store::metrics_store::MetricsStore;
use crate::store::redb::log_id::LEFT;
use crate::store::redb::{FILE, RedbStore};
use crate::store::replica_log::LogPosition;
use crate::store::rollup::Keep;
use crate::store::{Store, StoreError};

/// The pause between two attempts to find a leader to copy from.
const RETRY: Duration = Duration::from_secs(1);

/// How many of them pass between two lines in the log.
const LOG_EVERY: u32 = 15;

/// The store whose place a copy has taken, until the copy is open.
const REPLACED: &str = "sitio.redb.replaced";

/// Where a replica keeps its store, and the log that it belongs to.
#[derive(Debug, Clone)]
pub struct StorePlace {
    /// The folder.
    pub data_dir: PathBuf,
    /// The retention.
    pub keep: Keep,
    /// Servers of NATS that store each message.
    pub copies: usize,
    /// Whether streams that NATS has lost may be made anew from this store.
    pub new_log: Creation,
}

/// What a store needs before it can follow the log.
enum Fit {
    /// Nothing.
    Fits,
    /// A copy of another replica's store takes its place.
    NeedsCopy(&'static str),
}

impl StorePlace {
    /// Opens the store and the streams. It waits for NATS, and for a leader if there is one to copy from.
    pub async fn open(&self, nats: &Nats, drain: &CancellationToken) -> anyhow::Result<(Arc<RedbStore>, Streams)> {
        loop {
            let store = self.open_local().await?;
            let (id, log_id) = (store.id()?, store.log_id()?);
            // A store that was part of a log makes no other one by itself: the log may have held more than this store.
            let creation = if log_id.is_none() { Creation::Allowed } else { self.new_log };
            let streams = Streams::open(nats, self.copies, &id, creation, drain).await?;
            match fit(&store, &id, log_id.as_deref(), &streams)? {
                Fit::Fits => {
                    // The copy that took its place is open.
                    let _ = std::fs::remove_file(self.data_dir.join(REPLACED));
                    return Ok((store, streams));
                }
                Fit::NeedsCopy(why) => {
                    tracing::info!(why, "waiting for a leader to copy the store from");
                    drop(store);
                    self.copy(&Lease::new(streams.lease), drain).await?;
                }
            }
        }
    }

    /// Puts a copy of the leader's store in the place of this one, which is kept beside it until the copy is open.
    pub async fn copy(&self, lease: &Lease, drain: &CancellationToken) -> anyhow::Result<()> {
        let (file, draft) = (self.data_dir.join(FILE), self.data_dir.join("sitio.redb.copy"));
        let mut attempts = 0_u32;
        loop {
            match copied(lease, &draft).await {
                Ok((leader, bytes)) => {
                    std::fs::rename(&file, self.data_dir.join(REPLACED)).context("keep the old store")?;
                    std::fs::rename(&draft, &file).context("put the copy in its place")?;
                    data_folder::close_files(&self.data_dir, &[FILE]);
                    tracing::info!(leader = leader.replica, bytes, "the store was copied from the leader");
                    return Ok(());
                }
                Err(why) if attempts % LOG_EVERY == LOG_EVERY - 1 => {
                    tracing::warn!(
                        why,
                        "no leader to copy the store from yet: start a replica that has it; if all of them wait, stop them, delete the \
                         streams {WINDOWS} and {RULES} on NATS, and set SITIO_NATS_NEW_LOG=true on the one with the newest store"
                    );
                }
                Err(_) => {}
            }
            attempts += 1;
            tokio::select! {
                () = tokio::time::sleep(RETRY) => {}
                () = drain.cancelled() => bail!("stopped before the store could be copied from another replica"),
            }
        }
    }

    async fn open_local(&self) -> anyhow::Result<Arc<RedbStore>> {
        let Self { data_dir, keep, .. } = self.clone();
        let opening = tokio::task::spawn_blocking(move || {
            data_folder::prepare(&data_dir, FILE).map_err(|source| StoreError::Folder { folder: data_dir.clone(), source })?;
            let store = RedbStore::open_with(&data_dir, keep)?;
            data_folder::close_files(&data_dir, &[FILE]);
            Ok::<_, StoreError>(Arc::new(store))
        });
        Ok(opening.await.context("open the store")??)
    }
}

async fn copied(lease: &Lease, draft: &Path) -> Result<(LeaseHolder, u64), String> {
    match lease.read().await {
        Ok(LeaseState::Held(leader)) => {
            let bytes = copy_store(&leader, draft).await.map_err(|error| format!("copy from {}: {error}", leader.address))?;
            Ok((leader, bytes))
        }
        Ok(LeaseState::Released | LeaseState::Absent) => Err("no replica leads".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Compares a store with the log.
fn fit(store: &RedbStore, id: &str, log_id: Option<&str>, streams: &Streams) -> anyhow::Result<Fit> {
    let identity = &streams.identity;
    if identity.store != id {
        if holds_nothing(store)? {
            return Ok(Fit::NeedsCopy("this replica is new"));
        }
        bail!(
            "the data folder holds the store {id}, and the streams on NATS belong to the store {}: to join those control planes, \
             move the data folder away; to keep this store, use another account of NATS, or, if those streams were made by mistake, \
             stop all control planes, delete {WINDOWS} and {RULES}, and set SITIO_NATS_NEW_LOG=true on this replica",
            identity.store
        );
    }
    match log_id {
        Some(log) if log == identity.log => Ok(Fit::Fits),
        Some(_) if streams.made_here => {
            tracing::warn!("the streams on NATS were made anew from this store (SITIO_NATS_NEW_LOG)");
            store.begin_log(&identity.log)?;
            Ok(Fit::Fits)
        }
        Some(LEFT) => bail!(
            "a control plane has written to the store in the data folder alone, after it was that of a replica: to join the others, \
             move the data folder away, which leaves behind what was changed meanwhile; to keep this store instead, stop all control \
             planes, delete the streams {WINDOWS} and {RULES} on NATS, and set SITIO_NATS_NEW_LOG=true on this replica"
        ),
        Some(_) => Ok(Fit::NeedsCopy("the streams on NATS were made anew")),
        None => {
            store.begin_log(&identity.log)?;
            Ok(Fit::Fits)
        }
    }
}

fn holds_nothing(store: &RedbStore) -> Result<bool, StoreError> {
    let mut series = 0;
    store.view(&mut |view| {
        series = view.series()?.len();
        Ok(())
    })?;
    let rules = store.load()?;
    Ok(series == 0 && rules.revision == 0 && rules.audit_entries == 0 && store.log_position()? == LogPosition::default())
}
