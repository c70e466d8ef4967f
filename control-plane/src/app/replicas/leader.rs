//! Runs the leader: begins a term, and serves people and sidecars until the lease is lost, another replica leads, or drained.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use platform::port_connections::PortConnections;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::access::sessions::file::SessionPlace;
use crate::app::listeners::listen;
use crate::app::options::AppOptions;
use crate::app::replica_ports::ReplicaPorts;
use crate::app::serve::{Backing, Lead, serve};
use crate::clock::now_ms;
use crate::replication::connection::Nats;
use crate::replication::election::keep;
use crate::replication::leadership::Leadership;
use crate::replication::lease::{HeldLease, LeaseHolder};
use crate::replication::membership::Membership;
use crate::replication::peer::server::PeerServer;
use crate::replication::progress::Progress;
use crate::replication::publisher::Publisher;
use crate::replication::replicated_store::ReplicatedStore;
use crate::replication::shared_ca::share_ca;
use crate::store::StoreError;
use crate::store::redb::RedbStore;

/// How long a new leader waits for the log before it gives the lease back, so that another replica can try.
const LEAD_WITHIN: Duration = Duration::from_secs(20);

/// How long the disk of a leader may refuse writes.
const DISK_FAILS_FOR: Duration = Duration::from_secs(5);

/// The pause after a term that could not begin.
const RETRY: Duration = Duration::from_secs(1);

/// Forwarded connections that wait to be served. They are accepted as fast as those of the port itself.
const FORWARDED_MAX: usize = 256;

/// What a replica leads with.
pub(super) struct Leader {
    pub(super) options: AppOptions,
    pub(super) nats: Nats,
    pub(super) store: Arc<RedbStore>,
    pub(super) progress: Arc<Progress>,
    pub(super) membership: Arc<Membership>,
}

impl Leader {
    /// Leads until the lease is lost, another replica leads, or drained. Cancels `probes` before it answers them itself.
    pub(super) async fn lead(
        &self,
        held: HeldLease,
        holder: LeaseHolder,
        (ports, probes): (&ReplicaPorts, &CancellationToken),
        drain: &CancellationToken,
    ) -> anyhow::Result<()> {
        let (leading, unwanted) = (drain.child_token(), CancellationToken::new());
        let mut keeping = JoinSet::new();
        let (lost, over) = (leading.clone(), unwanted.clone());
        keeping.spawn(async move {
            keep(held, over).await;
            lost.cancel();
        });
        let led = self.serve_as_leader(holder, (ports, probes), &leading).await;
        // What serves other replicas ends, also after an error.
        leading.cancel();
        // Only now may another replica take over without a wait: the last counts are in the log.
        unwanted.cancel();
        keeping.join_all().await;
        led
    }

    async fn serve_as_leader(
        &self,
        holder: LeaseHolder,
        (ports, probes): (&ReplicaPorts, &CancellationToken),
        leading: &CancellationToken,
    ) -> anyhow::Result<()> {
        let publisher = Publisher::new(self.nats.clone(), Arc::clone(&self.progress));
        let Some(term) = self.begin_term(&publisher, leading).await else { return Ok(()) };
        tracing::info!(term, "this control plane leads");
        let (http, forwarded_http) = mpsc::channel(FORWARDED_MAX);
        let (grpc, forwarded_grpc) = mpsc::channel(FORWARDED_MAX);
        let (webhook, forwarded_webhook) = mpsc::channel(FORWARDED_MAX);
        let peers = PeerServer {
            secret: holder.secret,
            http,
            grpc,
            webhook,
            store: Arc::clone(&self.store),
            data_dir: self.options.data_dir.clone(),
        };
        let mut helpers = JoinSet::new();
        helpers.spawn(peers.run(listen(ports.peers.try_clone()?)?, leading.clone()));
        helpers.spawn(watch_term(Arc::clone(&self.progress), term, leading.clone()));
        let store = Arc::new(ReplicatedStore::new(Arc::clone(&self.store), publisher, term));
        self.share_ca(&store, ports).await?;
        let webhook = match &ports.webhook {
            Some(port) => {
                let connections = PortConnections::with_forwarded(listen(port.try_clone()?)?, forwarded_webhook);
                Some((connections, port.local_addr()?))
            }
            None => None,
        };
        let grpc_address: SocketAddr = ports.grpc.local_addr()?;
        let leadership = Leadership {
            replica: holder.replica,
            since_ms: now_ms(),
            term,
            progress: Arc::clone(&self.progress),
            membership: Arc::clone(&self.membership),
        };
        let backing = Backing {
            store: Arc::clone(&store),
            sessions: SessionPlace::Shared(store),
            lead: Some(Lead { monitor: Arc::new(leadership), rule_changes: self.progress.subscribe_rules() }),
            http: (PortConnections::with_forwarded(listen(ports.http.try_clone()?)?, forwarded_http), ports.http.local_addr()?),
            grpc: (PortConnections::with_forwarded(listen(ports.grpc.try_clone()?)?, forwarded_grpc), grpc_address),
            webhook,
        };
        probes.cancel();
        let served = serve(self.options.clone(), backing, leading.clone()).await;
        leading.cancel();
        helpers.join_all().await;
        tracing::info!(term, "this control plane no longer leads");
        served
    }

    async fn share_ca(&self, store: &Arc<ReplicatedStore>, ports: &ReplicaPorts) -> anyhow::Result<()> {
        let Some(token) = self.options.token.clone().filter(|_| ports.needs_ca(&self.options).unwrap_or(true)) else {
            return Ok(());
        };
        let (store, data_dir) = (Arc::clone(store), self.options.data_dir.clone());
        tokio::task::spawn_blocking(move || share_ca(&store, &data_dir, &token)).await.context("share the CA")?
    }

    /// Begins a term, once everything in both logs is applied here; `None` if that takes too long.
    async fn begin_term(&self, publisher: &Publisher, leading: &CancellationToken) -> Option<u64> {
        let beginning = async {
            loop {
                let begun = async {
                    let term = publisher.lead().await?;
                    publisher.rules_applied().await?;
                    Ok::<_, StoreError>(term)
                };
                match begun.await {
                    Ok(term) => return term,
                    Err(error) => tracing::warn!(%error, "cannot take the lead yet; retrying"),
                }
                tokio::time::sleep(RETRY).await;
            }
        };
        tokio::select! {
            begun = tokio::time::timeout(LEAD_WITHIN, beginning) => begun.ok(),
            () = leading.cancelled() => None,
        }
    }
}

/// Ends the lead when another replica begins a term, or when the own disk fails: the others may have one that works.
async fn watch_term(progress: Arc<Progress>, term: u64, leading: CancellationToken) {
    let mut applied = progress.subscribe();
    tokio::select! {
        other = applied.wait_for(|applied| applied.position.term != term) => {
            if let Ok(other) = other {
                tracing::warn!(term = other.position.term, "another replica has taken the lead");
            }
        }
        () = progress.unwritable_for(DISK_FAILS_FOR) => {
            tracing::error!("this control plane cannot write to its disk, and lets another replica lead");
        }
        () = leading.cancelled() => {}
    }
    leading.cancel();
}
