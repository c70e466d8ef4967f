//! Which replica leads: waits for the lease, and keeps it.

use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::replication::lease::{GRACE, HeldLease, Lease, LeaseHolder, LeaseState, Recovered};
use crate::replication::progress::Progress;

/// How often the lease is read by those who do not hold it.
const READ_EVERY: Duration = Duration::from_millis(300);

/// How often it is renewed: three renewals may fail before it expires.
const RENEW_EVERY: Duration = Duration::from_secs(1);

/// How long the release of a lease may delay the end of a replica.
const RELEASE_WITHIN: Duration = Duration::from_secs(1);

/// How long ago a replica may have reached the ends of the logs and still stand for election.
const CAUGHT_UP_WITHIN: Duration = Duration::from_secs(5);

/// Waits until this replica holds the lease, or until drained. Publishes who leads meanwhile.
pub async fn campaign(
    lease: &Lease,
    progress: &Progress,
    candidate: impl Fn() -> LeaseHolder,
    leader: &watch::Sender<Option<LeaseHolder>>,
    drain: &CancellationToken,
) -> Option<(HeldLease, LeaseHolder)> {
    let mut absent_since: Option<Instant> = None;
    while !drain.is_cancelled() {
        let is_free = match lease.read().await {
            Ok(LeaseState::Held(holder)) => {
                absent_since = None;
                leader.send_if_modified(|known| {
                    let is_news = known.as_ref() != Some(&holder);
                    *known = Some(holder);
                    is_news
                });
                false
            }
            Ok(LeaseState::Released) => true,
            Ok(LeaseState::Absent) => absent_since.get_or_insert_with(Instant::now).elapsed() >= GRACE,
            // Without an answer, the last known leader may still lead.
            Err(error) => {
                tracing::debug!(%error, "cannot read who leads");
                absent_since = None;
                false
            }
        };
        if is_free {
            leader.send_replace(None);
            if is_caught_up(progress) {
                let holder = candidate();
                match lease.acquire(&holder).await {
                    Ok(Some(held)) => return Some((held, holder)),
                    Ok(None) => {}
                    Err(error) => tracing::debug!(%error, "cannot take the lease"),
                }
            }
        }
        tokio::select! {
            () = tokio::time::sleep(READ_EVERY) => {}
            () = drain.cancelled() => {}
        }
    }
    None
}

fn is_caught_up(progress: &Progress) -> bool {
    let caught_up = progress.applied().caught_up;
    [caught_up.windows, caught_up.rules].iter().all(|at| at.is_some_and(|at| at.elapsed() < CAUGHT_UP_WITHIN))
}

/// Renews the lease until another replica holds it, or it is no longer wanted; releases it in the second case.
///
/// While NATS is away, no replica can take the lease, and this one goes on: its sidecars stay attached, and people see
/// live numbers. What it writes is refused if another replica leads after all, because that one has begun a term.
pub async fn keep(mut held: HeldLease, unwanted: CancellationToken) {
    let lost = async {
        loop {
            tokio::time::sleep(RENEW_EVERY).await;
            let Err(error) = held.renew().await else { continue };
            tracing::debug!(%error, "the lease could not be renewed yet");
            match held.recover().await {
                Ok(Recovered::TakenByOther) => return tracing::warn!("another replica has taken the lease"),
                Ok(Recovered::Held | Recovered::Unknown) => {}
                Err(error) => tracing::debug!(%error, "cannot read who holds the lease"),
            }
        }
    };
    tokio::select! {
        () = lost => return,
        () = unwanted.cancelled() => {}
    }
    // If NATS is away, it expires by itself.
    let _ = tokio::time::timeout(RELEASE_WITHIN, held.release()).await;
}
