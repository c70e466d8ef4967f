//! The lease that prefers one replica as the leader. Correctness does not rest on it: the term in the log decides.

use std::time::Duration;

use async_nats::jetstream::kv::{CreateErrorKind, Operation, Store};
use serde::{Deserialize, Serialize};

/// The key of the lease in its bucket.
const KEY: &str = "leader";

/// How long a lease that was not released must be gone before another replica takes it. A leader that could not renew it,
/// because NATS was away, takes it again first.
pub const GRACE: Duration = Duration::from_secs(2);

/// Who leads, as the lease says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseHolder {
    /// The name of the replica.
    pub replica: String,
    /// Where other replicas connect to it.
    pub address: String,
    /// What they authenticate with there. Only those who may read the bucket know it.
    pub secret: String,
    /// When it took the lease, milliseconds since the Unix epoch.
    pub since_ms: u64,
}

/// What the bucket says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseState {
    /// A replica holds it.
    Held(LeaseHolder),
    /// Its holder has released it.
    Released,
    /// It is not there: it expired, or never was.
    Absent,
}

/// The lease as all replicas see it.
#[derive(Debug, Clone)]
pub struct Lease {
    bucket: Store,
}

/// The lease in the hands of this replica.
#[derive(Debug)]
pub struct HeldLease {
    bucket: Store,
    value: Vec<u8>,
    revision: u64,
}

/// Who holds a lease that could not be renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovered {
    /// This replica.
    Held,
    /// Another one.
    TakenByOther,
    /// It has just changed.
    Unknown,
}

/// The bucket did not answer, or not as expected.
#[derive(Debug, thiserror::Error)]
#[error("the lease on NATS: {0}")]
pub struct LeaseError(String);

impl Lease {
    /// The lease in this bucket.
    pub fn new(bucket: Store) -> Self {
        Self { bucket }
    }

    /// Reads it. The answer may be a moment old.
    pub async fn read(&self) -> Result<LeaseState, LeaseError> {
        let entry = self.bucket.entry(KEY).await.map_err(|error| LeaseError(error.to_string()))?;
        match entry {
            None => Ok(LeaseState::Absent),
            Some(entry) if entry.operation != Operation::Put => Ok(LeaseState::Released),
            Some(entry) => match serde_json::from_slice(&entry.value) {
                Ok(holder) => Ok(LeaseState::Held(holder)),
                Err(error) => Err(LeaseError(format!("its value cannot be read: {error}"))),
            },
        }
    }

    /// Takes it, unless a replica holds it.
    pub async fn acquire(&self, holder: &LeaseHolder) -> Result<Option<HeldLease>, LeaseError> {
        let value = serde_json::to_vec(holder).expect("it is made of texts and numbers");
        match self.bucket.create(KEY, value.clone().into()).await {
            Ok(revision) => Ok(Some(HeldLease { bucket: self.bucket.clone(), value, revision })),
            Err(error) if error.kind() == CreateErrorKind::AlreadyExists => Ok(None),
            Err(error) => Err(LeaseError(error.to_string())),
        }
    }
}

impl HeldLease {
    /// Renews it. After an error it may still be held.
    pub async fn renew(&mut self) -> Result<(), LeaseError> {
        let renewed = self.bucket.update(KEY, self.value.clone().into(), self.revision).await;
        self.revision = renewed.map_err(|error| LeaseError(error.to_string()))?;
        Ok(())
    }

    /// Finds out who holds it after a failed renewal, and takes it again if no replica does. A renewal that was not confirmed
    /// may have succeeded: then it goes on from there.
    pub async fn recover(&mut self) -> Result<Recovered, LeaseError> {
        let failed = |error: String| LeaseError(error);
        match self.bucket.entry(KEY).await.map_err(|error| failed(error.to_string()))? {
            Some(entry) if entry.operation == Operation::Put && *entry.value == *self.value => {
                self.revision = self.revision.max(entry.revision);
                Ok(Recovered::Held)
            }
            Some(entry) if entry.operation == Operation::Put && entry.revision > self.revision => Ok(Recovered::TakenByOther),
            _ => match self.bucket.create(KEY, self.value.clone().into()).await {
                Ok(revision) => {
                    self.revision = revision;
                    Ok(Recovered::Held)
                }
                Err(error) if error.kind() == CreateErrorKind::AlreadyExists => Ok(Recovered::Unknown),
                Err(error) => Err(failed(error.to_string())),
            },
        }
    }

    /// Releases it, so that another replica can take it at once.
    pub async fn release(self) {
        if let Err(error) = self.bucket.delete_expect_revision(KEY, Some(self.revision)).await {
            tracing::debug!(%error, "the lease is not released, and expires by itself");
        }
    }
}
