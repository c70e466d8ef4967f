//! Publishes to the logs, and waits until this replica has applied what it has published.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_nats::jetstream::context::{PublishAckFuture, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::model::rule_record::RuleChange;
use crate::replication::connection::{Nats, REQUEST_WITHIN};
use crate::replication::message::Message;
use crate::replication::progress::{Expected, Outcome, Progress};
use crate::replication::reader::ends;
use crate::replication::streams::{MESSAGE_BYTES_MAX, NUDGE, RULES, RULES_SUBJECT, WINDOWS_SUBJECT};
use crate::store::StoreError;
use crate::store::replica_log::LogWrite;
use crate::store::replica_log::Verdict;
use crate::store::replica_log::codec::encode;
use crate::store::replica_log::rule_message::encode_rules;

/// How long a write may take until this replica has applied it. After that it may still be applied; the marks in it
/// make a second one harmless.
const APPLIED_WITHIN: Duration = Duration::from_secs(8);

/// Bytes of a part of a write; the rest of the message is its head.
const PART_BYTES_MAX: usize = MESSAGE_BYTES_MAX - 128;

/// The pause before a change of the rules is published again whose first attempt is not confirmed.
const RETRY: Duration = Duration::from_millis(300);

/// Publishes to the logs.
#[derive(Debug, Clone)]
pub struct Publisher {
    nats: Nats,
    progress: Arc<Progress>,
    /// Held while the messages of one write are sent: its parts must follow each other.
    sending: Arc<Mutex<()>>,
    barriers: Arc<Barriers>,
}

/// Who waits for a barrier.
#[derive(Debug, Default)]
struct Barriers {
    /// The number of calls so far.
    tickets: AtomicU64,
    /// Held while a barrier is under way.
    last: Mutex<LastBarrier>,
}

/// The barrier that was published last.
#[derive(Debug)]
struct LastBarrier {
    /// Calls with a lower ticket came before it was published.
    covers: u64,
    outcome: Result<(), String>,
}

impl Default for LastBarrier {
    fn default() -> Self {
        Self { covers: 0, outcome: Ok(()) }
    }
}

/// What became of a change of the rules.
#[derive(Debug, PartialEq, Eq)]
pub enum RulesOutcome {
    /// It is in the log, and applied here.
    Committed,
    /// Another change was there first, and is applied here.
    Conflict,
}

fn unconfirmed(why: impl ToString) -> StoreError {
    StoreError::Unconfirmed(why.to_string())
}

impl Publisher {
    /// A publisher whose messages the follower with this progress applies.
    pub fn new(nats: Nats, progress: Arc<Progress>) -> Self {
        Self { nats, progress, sending: Arc::default(), barriers: Arc::default() }
    }

    /// How far this replica is.
    pub fn progress(&self) -> &Arc<Progress> {
        &self.progress
    }

    /// Takes the lead, and returns the term, once everything before it is applied here.
    pub async fn lead(&self) -> Result<u64, StoreError> {
        let id = rand::random();
        Ok(self.publish(id, vec![Message::Lead { id }]).await?.sequence)
    }

    /// Waits until everything is applied here that was acknowledged before this call. Calls that wait at the same time share
    /// one message: all sidecars of a mesh attach at once to a new leader.
    pub async fn barrier(&self) -> Result<(), StoreError> {
        let ticket = self.barriers.tickets.fetch_add(1, Ordering::SeqCst);
        let mut last = self.barriers.last.lock().await;
        if last.covers > ticket {
            return last.outcome.clone().map_err(StoreError::Unconfirmed);
        }
        let (id, covers) = (rand::random(), self.barriers.tickets.load(Ordering::SeqCst));
        let outcome = self.publish(id, vec![Message::Barrier { id }]).await.map(drop).map_err(|why| match why {
            StoreError::Unconfirmed(why) => why,
            other => other.to_string(),
        });
        *last = LastBarrier { covers, outcome: outcome.clone() };
        outcome.map_err(StoreError::Unconfirmed)
    }

    /// Writes as the leader of this term.
    pub async fn write(&self, term: u64, write: &LogWrite) -> Result<(), StoreError> {
        let id = rand::random();
        let outcome = self.publish(id, Message::parts(id, term, &encode(write), PART_BYTES_MAX)).await?;
        match outcome.verdict {
            Verdict::Taken => Ok(()),
            Verdict::Stale => Err(unconfirmed("another write came first")),
            Verdict::OtherTerm => Err(unconfirmed("another replica has taken the lead")),
        }
    }

    async fn publish(&self, id: u64, messages: Vec<Message>) -> Result<Outcome, StoreError> {
        if !self.nats.is_connected() {
            return Err(unconfirmed("there is no connection to NATS"));
        }
        let deadline = Instant::now() + APPLIED_WITHIN;
        let mut expected = self.progress.expect(id);
        match self.send(messages, deadline).await {
            Ok(()) => {}
            // Nothing was stored.
            Err(error) if error.kind() == PublishErrorKind::StreamNotFound => {
                return Err(unconfirmed("no server of the stream answers"));
            }
            // It may be stored all the same.
            Err(error) => tracing::debug!(%error, "a message for the other replicas is not acknowledged yet"),
        }
        applied(&mut expected, deadline).await
    }

    /// Sends messages, one behind the other, and waits for NATS to store them.
    async fn send(&self, messages: Vec<Message>, deadline: Instant) -> Result<(), async_nats::jetstream::context::PublishError> {
        let mut sent: Vec<PublishAckFuture> = Vec::with_capacity(messages.len());
        {
            let _one_behind_the_other = self.sending.lock().await;
            for message in messages {
                let payload = message.encode();
                sent.push(self.nats.jetstream.publish(WINDOWS_SUBJECT, payload.into()).await?);
            }
        }
        let mut last = 0;
        for ack in sent {
            last = ack.into_future().await?.sequence.max(last);
            if Instant::now() >= deadline {
                break;
            }
        }
        self.progress.learn(last);
        self.nudge().await;
        Ok(())
    }

    /// Makes the other replicas read at once. They poll besides, so a lost nudge costs a moment.
    async fn nudge(&self) {
        let _ = self.nats.client.publish(NUDGE, Vec::new().into()).await;
    }

    /// Waits until everything is applied here that the log of rules holds now.
    pub async fn rules_applied(&self) -> Result<(), StoreError> {
        let ends = ends(&self.nats, RULES).await.map_err(unconfirmed)?;
        let last = ends.ok_or_else(|| unconfirmed("the stream of the rules is gone"))?.last;
        let mut applied = self.progress.subscribe();
        let reached = applied.wait_for(|applied| applied.position.rules_sequence >= last);
        match tokio::time::timeout(APPLIED_WITHIN, reached).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(unconfirmed("the newest rules are not applied here yet")),
        }
    }

    /// Commits a change of the rules that was decided on what is applied here, by compare-and-set on the last message.
    pub async fn commit(&self, change: &RuleChange, decided_on: u64) -> Result<RulesOutcome, StoreError> {
        let id = rand::random();
        let deadline = Instant::now() + APPLIED_WITHIN;
        let mut expected = self.progress.expect(id);
        let payload: bytes::Bytes = encode_rules(id, change).into();
        let mut why = "there is no connection to NATS";
        while Instant::now() < deadline {
            match self.try_commit(payload.clone(), decided_on).await {
                // Its place is taken: by another change, or by this one in an attempt that was not confirmed.
                Ok(()) | Err(PublishErrorKind::WrongLastSequence) => {
                    self.nudge().await;
                    return self.rules_outcome(&mut expected, decided_on, deadline).await;
                }
                Err(PublishErrorKind::Other) => why = "NATS refuses it; the stream SITIO_RULES may be full",
                Err(PublishErrorKind::BrokenPipe) => why = "there is no connection to NATS",
                Err(_) => why = "NATS has not confirmed it in time",
            }
            tokio::time::sleep(RETRY).await;
        }
        Err(unconfirmed(format!("{why}; look at the rules before you repeat the command")))
    }

    async fn try_commit(&self, payload: bytes::Bytes, decided_on: u64) -> Result<(), PublishErrorKind> {
        if !self.nats.is_connected() {
            return Err(PublishErrorKind::BrokenPipe);
        }
        let message = PublishMessage::build().payload(payload).expected_last_subject_sequence(decided_on);
        let sent = self.nats.jetstream.send_publish(RULES_SUBJECT, message).await.map_err(|error| error.kind())?;
        sent.await.map(drop).map_err(|error| error.kind())
    }

    /// Waits until the message after `decided_on` is applied here, and returns whether it is the expected one.
    async fn rules_outcome(
        &self,
        expected: &mut Expected,
        decided_on: u64,
        deadline: Instant,
    ) -> Result<RulesOutcome, StoreError> {
        let mut applied = self.progress.subscribe();
        let other = applied.wait_for(|applied| applied.position.rules_sequence > decided_on);
        let first = tokio::time::timeout_at(deadline.max(Instant::now() + REQUEST_WITHIN), async {
            tokio::select! {
                biased;
                _ = expected.outcome() => RulesOutcome::Committed,
                _ = other => RulesOutcome::Conflict,
            }
        });
        match first.await {
            // The position moves a moment before the outcome is reported.
            Ok(RulesOutcome::Conflict) => {
                let own = tokio::time::timeout(RETRY, expected.outcome()).await;
                Ok(if own.is_ok() { RulesOutcome::Committed } else { RulesOutcome::Conflict })
            }
            Ok(committed) => Ok(committed),
            Err(_) => Err(unconfirmed("it is stored, and this replica has not applied it yet")),
        }
    }
}

async fn applied(expected: &mut Expected, deadline: Instant) -> Result<Outcome, StoreError> {
    let outcome = tokio::time::timeout_at(deadline, expected.outcome()).await;
    outcome.map_err(|_| unconfirmed(format!("not within {APPLIED_WITHIN:?}")))
}
