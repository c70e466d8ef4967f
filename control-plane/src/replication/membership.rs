//! Which replicas there are: each announces once a second how far it is, and all keep the announcements.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::clock::now_ms;
use crate::replication::connection::Nats;
use crate::replication::progress::Progress;

/// The core NATS subject of announcements.
const SUBJECT: &str = "sitio.replica";

/// How often a replica announces itself.
const ANNOUNCE_EVERY: Duration = Duration::from_secs(1);

/// How long a replica is listed that no longer announces itself: people should see that one is missing.
const FORGET_AFTER: Duration = Duration::from_secs(600);

/// Replicas that are listed. More than five make nothing safer.
const REPLICAS_MAX: usize = 16;

/// Bytes of an announcement: its name is that of a host at most.
const ANNOUNCEMENT_BYTES_MAX: usize = 1024;

/// What a replica announces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// Its name.
    pub replica: String,
    /// Where other replicas connect to it.
    pub address: String,
    /// The last message of the log of windows that it has applied.
    pub applied: u64,
    /// How long ago it had applied everything, in milliseconds; `None` if it never had.
    pub behind_ms: Option<u64>,
}

/// A replica as it is known here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownReplica {
    /// What it announced last.
    pub announcement: Announcement,
    /// How long ago that was.
    pub silent: Duration,
}

/// All replicas that announce themselves, this one included, and whether NATS is reachable.
#[derive(Debug, Default)]
pub struct Membership(Mutex<Announcements>);

#[derive(Debug, Default)]
struct Announcements {
    replicas: BTreeMap<String, (Announcement, Instant)>,
    /// Since when there is no connection, milliseconds since the Unix epoch.
    unreachable_since_ms: Option<u64>,
}

impl Membership {
    /// The replicas, by name.
    pub fn replicas(&self) -> Vec<KnownReplica> {
        let known = |(announcement, at): &(Announcement, Instant)| KnownReplica {
            announcement: announcement.clone(),
            silent: at.elapsed(),
        };
        self.lock().replicas.values().map(known).collect()
    }

    /// Since when NATS is unreachable, milliseconds since the Unix epoch; `None` if it is not.
    pub fn unreachable_since_ms(&self) -> Option<u64> {
        self.lock().unreachable_since_ms
    }

    /// Announces this replica and records all announcements, until drained.
    pub async fn run(
        self: Arc<Self>,
        nats: Nats,
        (replica, address): (String, String),
        progress: Arc<Progress>,
        drain: CancellationToken,
    ) {
        let mut subscriber = nats.client.subscribe(SUBJECT).await.ok();
        let mut ticks = tokio::time::interval(ANNOUNCE_EVERY);
        loop {
            tokio::select! {
                _ = ticks.tick() => {
                    let announcement = announcement(&replica, &address, &progress);
                    self.record(announcement.clone());
                    self.note_connection(nats.is_connected());
                    let announcement = serde_json::to_vec(&announcement).expect("it is made of texts and numbers");
                    // A lost announcement is followed by another one.
                    let _ = nats.client.publish(SUBJECT, announcement.into()).await;
                }
                Some(message) = next(&mut subscriber) => {
                    if message.payload.len() <= ANNOUNCEMENT_BYTES_MAX
                        && let Ok(announcement) = serde_json::from_slice(&message.payload) {
                        self.record(announcement);
                    }
                }
                () = drain.cancelled() => return,
            }
        }
    }

    fn record(&self, announcement: Announcement) {
        let mut announcements = self.lock();
        announcements.replicas.retain(|_, (_, at)| at.elapsed() < FORGET_AFTER);
        if announcements.replicas.len() < REPLICAS_MAX || announcements.replicas.contains_key(&announcement.replica) {
            announcements.replicas.insert(announcement.replica.clone(), (announcement, Instant::now()));
        }
    }

    fn note_connection(&self, is_connected: bool) {
        let since_ms = &mut self.lock().unreachable_since_ms;
        *since_ms = if is_connected { None } else { Some(since_ms.unwrap_or_else(now_ms)) };
    }

    fn lock(&self) -> MutexGuard<'_, Announcements> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn next(subscriber: &mut Option<async_nats::Subscriber>) -> Option<async_nats::Message> {
    match subscriber {
        Some(subscriber) => subscriber.next().await,
        None => std::future::pending().await,
    }
}

fn announcement(replica: &str, address: &str, progress: &Progress) -> Announcement {
    let applied = progress.applied();
    Announcement {
        replica: replica.to_owned(),
        address: address.to_owned(),
        applied: applied.position.sequence,
        behind_ms: applied.caught_up.windows.map(|at| at.elapsed().as_millis() as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_are_listed_by_name_and_their_number_is_bounded() {
        let membership = Membership::default();
        let say = |name: &str, applied| {
            membership.record(Announcement { replica: name.into(), address: String::new(), applied, behind_ms: None });
        };
        say("b", 1);
        say("a", 2);
        say("b", 3);
        let known: Vec<_> =
            membership.replicas().into_iter().map(|known| (known.announcement.replica, known.announcement.applied)).collect();
        assert_eq!(known, [("a".to_owned(), 2), ("b".to_owned(), 3)]);
        (0..100).for_each(|number| say(&format!("c{number}"), 0));
        assert_eq!(membership.replicas().len(), REPLICAS_MAX);
    }

    #[test]
    fn the_time_since_which_nats_is_unreachable_is_that_of_the_first_look() {
        let membership = Membership::default();
        membership.note_connection(true);
        assert_eq!(membership.unreachable_since_ms(), None);
        membership.note_connection(false);
        let first = membership.unreachable_since_ms().unwrap();
        membership.note_connection(false);
        assert_eq!(membership.unreachable_since_ms(), Some(first));
    }
}
