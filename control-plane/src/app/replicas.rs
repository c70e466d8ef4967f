//! Runs one of several control planes: follows the log, leads while it holds the lease, and forwards to the leader otherwise.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::app::listeners::listen;
use crate::app::options::AppOptions;
use crate::app::replica_ports::ReplicaPorts;
use crate::app::replicas::leader::Leader;
use crate::clock::now_ms;
use crate::replication::connection::Nats;
use crate::replication::election::campaign;
use crate::replication::follower::follow;
use crate::replication::follower::log_follower::{FollowError, LogFollower};
use crate::replication::lease::{HeldLease, Lease, LeaseHolder};
use crate::replication::peer::forward::{Forwarder, WithoutLeader};
use crate::replication::peer::{Purpose, new_secret};
use crate::replication::progress::Progress;
use crate::replication::store_copy::StorePlace;
use crate::replication::streams::Creation;
use crate::replication_settings::ReplicationSettings;
use crate::store::replica_log::LogPosition;

mod leader;

/// How long a replica that could not lead stays a follower: another one gets its chance.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

/// A replica while its store fits the log.
struct Replica {
    name: String,
    address: String,
    lease: Lease,
    /// What it leads with, and follows with.
    leader: Leader,
}

/// How a replica's life on one store ends.
enum End {
    Drained,
    /// The store is too old for the log.
    NeedsCopy,
}

/// Runs until drained.
pub(super) async fn run(
    options: AppOptions,
    settings: ReplicationSettings,
    ports: ReplicaPorts,
    drain: CancellationToken,
) -> anyhow::Result<()> {
    ports.check(&options)?;
    let address = settings.advertised(ports.peers.local_addr()?);
    let name = settings.replica_name.clone().unwrap_or_else(|| address.clone());
    tracing::info!(
        name,
        address,
        "this control plane is one of several http={} grpc={}",
        ports.http.local_addr()?,
        ports.grpc.local_addr()?
    );
    let place = StorePlace {
        data_dir: options.data_dir.clone(),
        keep: options.keep,
        copies: settings.nats_copies,
        new_log: if settings.nats_new_log { Creation::Allowed } else { Creation::Refused },
    };
    let nats = while_waiting(&ports, Nats::connect(&settings, &drain)).await?;
    let mut copied_from = None;
    loop {
        let opening = async {
            if let Some(lease) = &copied_from {
                place.copy(lease, &drain).await?;
            }
            place.open(&nats, &drain).await
        };
        let (store, streams) = while_waiting(&ports, opening).await?;
        let (lease, progress) = (Lease::new(streams.lease), Progress::begin(store.log_position()?));
        let leader = Leader { options: options.clone(), nats: nats.clone(), store, progress, membership: Arc::default() };
        let replica = Replica { name: name.clone(), address: address.clone(), lease: lease.clone(), leader };
        match replica.run(&ports, &drain).await? {
            End::Drained => return Ok(()),
            End::NeedsCopy => copied_from = Some(lease),
        }
    }
}

/// Does something that may take long, and answers probes meanwhile: a replica that waits for NATS must not be restarted.
async fn while_waiting<T>(ports: &ReplicaPorts, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let waiting = CancellationToken::new();
    let (_leader, leader) = watch::channel(None);
    let forwarder = Forwarder {
        leader,
        progress: Progress::begin(LogPosition::default()),
        name: String::new(),
        without_leader: WithoutLeader::Close,
    };
    let mut answering = JoinSet::new();
    for (port, purpose) in ports.forwarded() {
        answering.spawn(forwarder.clone().run(listen(port.try_clone()?)?, purpose, waiting.clone()));
    }
    let done = work.await;
    waiting.cancel();
    answering.join_all().await;
    done
}

impl Replica {
    /// Follows and leads until drained, or until the store no longer fits the log.
    async fn run(self, ports: &ReplicaPorts, drain: &CancellationToken) -> anyhow::Result<End> {
        // The follower outlives the leader's parts, which need it for their last writes.
        let (following, stopped) = (CancellationToken::new(), drain.child_token());
        let Leader { nats, store, progress, membership, .. } = &self.leader;
        let follower = LogFollower { nats: nats.clone(), store: Arc::clone(store), progress: Arc::clone(progress) };
        let mut follower_task = JoinSet::new();
        follower_task.spawn(follow(follower, following.clone()));
        let mut announcing = JoinSet::new();
        let names = (self.name.clone(), self.address.clone());
        announcing.spawn(Arc::clone(membership).run(nats.clone(), names, Arc::clone(progress), following.clone()));
        let mut ended = None;
        let roles = self.take_roles(ports, &stopped);
        tokio::pin!(roles);
        let outcome = loop {
            tokio::select! {
                outcome = &mut roles => break outcome,
                Some(result) = follower_task.join_next() => {
                    ended = Some(result.context("the follower panicked")?);
                    stopped.cancel();
                }
            }
        };
        following.cancel();
        announcing.join_all().await;
        match ended {
            Some(Err(why @ FollowError::Trimmed { .. })) => {
                tracing::warn!("{why}");
                Ok(End::NeedsCopy)
            }
            Some(Err(why)) => Err(why.into()),
            Some(Ok(())) | None => {
                while follower_task.join_next().await.is_some() {}
                outcome.map(|()| End::Drained)
            }
        }
    }

    async fn take_roles(&self, ports: &ReplicaPorts, drain: &CancellationToken) -> anyhow::Result<()> {
        let (leader, mut rest) = (watch::Sender::new(None), Duration::ZERO);
        while !drain.is_cancelled() {
            // Probes are answered until the leader answers them itself.
            let (standby, probes) = (drain.child_token(), drain.child_token());
            let mut forwarding = JoinSet::new();
            for (port, purpose) in ports.forwarded() {
                let until = if purpose == Purpose::Http { &probes } else { &standby };
                let forwarder = Forwarder {
                    leader: leader.subscribe(),
                    progress: Arc::clone(&self.leader.progress),
                    name: self.name.clone(),
                    without_leader: WithoutLeader::Wait,
                };
                forwarding.spawn(forwarder.run(listen(port.try_clone()?)?, purpose, until.clone()));
            }
            let elected = self.campaign_after(rest, &leader, drain).await;
            standby.cancel();
            rest = Duration::ZERO;
            if let Some((held, holder)) = elected
                && let Err(error) = self.leader.lead(held, holder, (ports, &probes), drain).await
            {
                tracing::error!("this control plane cannot lead, and lets another replica try: {error:#}");
                rest = AFTER_FAILURE;
            }
            probes.cancel();
            forwarding.join_all().await;
        }
        Ok(())
    }

    async fn campaign_after(
        &self,
        rest: Duration,
        leader: &watch::Sender<Option<LeaseHolder>>,
        drain: &CancellationToken,
    ) -> Option<(HeldLease, LeaseHolder)> {
        tokio::select! {
            () = tokio::time::sleep(rest) => {}
            () = drain.cancelled() => return None,
        }
        let candidate = || LeaseHolder {
            replica: self.name.clone(),
            address: self.address.clone(),
            secret: new_secret(),
            since_ms: now_ms(),
        };
        campaign(&self.lease, &self.leader.progress, candidate, leader, drain).await
    }
}
