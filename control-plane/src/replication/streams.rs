//! The streams of the replicas in JetStream: made with the right limits, and checked if they are there.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::bail;
use async_nats::client::RequestErrorKind;
use async_nats::jetstream::context::{CreateStreamErrorKind, GetStreamErrorKind};
use async_nats::jetstream::kv;
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};
use async_nats::jetstream::{self, ErrorCode};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::replication::connection::Nats;

/// The stream of windows, and of everything else but rules that the leader writes.
pub const WINDOWS: &str = "SITIO_WIN";
/// Its subject.
pub const WINDOWS_SUBJECT: &str = "sitio.win";
/// The stream of rules and audit entries.
pub const RULES: &str = "SITIO_RULES";
/// Its subject.
pub const RULES_SUBJECT: &str = "sitio.rules";
/// The core NATS subject on which a leader announces that it has published.
pub const NUDGE: &str = "sitio.nudge";
/// The bucket of the lease.
const LEASE_BUCKET: &str = "sitio-lease";

/// How long windows stay in the log: a replica that was away for longer copies the store of another one.
const WINDOWS_AGE: Duration = Duration::from_secs(3600);
/// The size of the log of windows: an hour of 150,000 pods.
const WINDOWS_BYTES_MAX: i64 = 8 << 30;
/// The size of the log of rules: a change takes about a kilobyte, so it is enough for a million.
const RULES_BYTES_MAX: i64 = 1 << 30;
/// The largest message: half of what NATS accepts by default.
pub const MESSAGE_BYTES_MAX: usize = 512 << 10;
/// What a message may take besides its payload: a subject and a few headers.
const HEADER_BYTES_MAX: usize = 4 << 10;

/// How long a lease lasts without being renewed.
pub const LEASE_TTL: Duration = Duration::from_secs(5);

/// The pause before JetStream is asked again: a young cluster takes some seconds to elect its leaders.
const RETRY: Duration = Duration::from_millis(500);

/// What to do if a stream is gone that this store has followed.
pub const LOST: &str = "it is gone, and this store has followed it, so NATS may have lost messages that were acknowledged. Restore \
                    NATS from a backup; or, to accept the loss, stop all control planes, delete SITIO_WIN and SITIO_RULES as far as \
                    they are there, and set SITIO_NATS_NEW_LOG=true on the replica whose store is the newest; the others copy it";

/// How long a server may take to start JetStream.
const START_WITHIN: Duration = Duration::from_secs(15);

/// What to do without JetStream.
const NO_JETSTREAM: &str =
    "JetStream is off on this NATS: start its servers with a jetstream block, and enable it for the account";

/// The keys of the metadata of the log.
const STORE_KEY: &str = "sitio-store";
const LOG_KEY: &str = "sitio-log";

/// What the log says of itself. It was written when the log was made, and never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogIdentity {
    /// The id of the store whose writes it holds.
    pub store: String,
    /// The id of the log: another one was made anew, and counts its messages from 1 again.
    pub log: String,
}

/// Whether streams that are not there may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Creation {
    /// They may.
    Allowed,
    /// They were there, so they are lost.
    Refused,
}

/// The streams, once they are there.
#[derive(Debug, Clone)]
pub struct Streams {
    /// What the log says of itself.
    pub identity: LogIdentity,
    /// Whether this call has made the log.
    pub made_here: bool,
    /// The bucket of the lease.
    pub lease: kv::Store,
}

impl Streams {
    /// Finds the streams, or makes them for the store with this id. Waits until JetStream answers, or until drained.
    pub async fn open(
        nats: &Nats,
        copies: usize,
        store: &str,
        creation: Creation,
        drain: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let rules = ensure(nats, rules(copies), creation, drain).await?;
        check(&rules, &self::rules(copies))?;
        let wanted = windows(copies, store);
        let found = ensure(nats, wanted.clone(), creation, drain).await?;
        check(&found, &wanted)?;
        let named = |key: &str| found.metadata.get(key).cloned();
        let Some((store, log)) = named(STORE_KEY).zip(named(LOG_KEY)) else {
            bail!(
                "the stream {WINDOWS} on NATS was not made by Sitio: it has no {STORE_KEY} in its metadata. Rename or delete it, \
                 then start the control planes again"
            );
        };
        let made_here = wanted.metadata.get(LOG_KEY) == Some(&log);
        Ok(Self { identity: LogIdentity { store, log }, made_here, lease: lease_bucket(nats, copies, drain).await? })
    }
}

fn windows(copies: usize, store: &str) -> Config {
    Config {
        name: WINDOWS.into(),
        subjects: vec![WINDOWS_SUBJECT.into()],
        max_age: WINDOWS_AGE,
        max_bytes: WINDOWS_BYTES_MAX,
        discard: DiscardPolicy::Old,
        metadata: HashMap::from([(STORE_KEY.into(), store.into()), (LOG_KEY.into(), Uuid::new_v4().to_string())]),
        ..shared(copies)
    }
}

fn rules(copies: usize) -> Config {
    Config {
        name: RULES.into(),
        subjects: vec![RULES_SUBJECT.into()],
        max_bytes: RULES_BYTES_MAX,
        discard: DiscardPolicy::New,
        ..shared(copies)
    }
}

fn shared(copies: usize) -> Config {
    Config {
        retention: RetentionPolicy::Limits,
        storage: StorageType::File,
        num_replicas: copies,
        max_message_size: (MESSAGE_BYTES_MAX + HEADER_BYTES_MAX) as i32,
        allow_direct: true,
        deny_delete: true,
        ..Config::default()
    }
}

/// Finds a stream or makes it, and returns its settings.
async fn ensure(nats: &Nats, wanted: Config, creation: Creation, drain: &CancellationToken) -> anyhow::Result<Config> {
    let name = wanted.name.clone();
    retried(drain, &format!("open the stream {name}"), async || {
        match nats.jetstream.get_stream(&name).await {
            Ok(stream) => return Ok(stream.cached_info().config.clone()),
            Err(error) => match error.kind() {
                GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND => {}
                GetStreamErrorKind::JetStream(error) => return Err(failed(&error)),
                kind => return Err(unanswered(nats, kind.to_string()).await),
            },
        }
        if creation == Creation::Refused {
            return Err(Failed::Final(LOST.into()));
        }
        match nats.jetstream.create_stream(wanted.clone()).await {
            Ok(stream) => Ok(stream.cached_info().config.clone()),
            Err(error) => match error.kind() {
                CreateStreamErrorKind::JetStream(error) => Err(failed(&error)),
                kind => Err(Failed::Transient(kind.to_string())),
            },
        }
    })
    .await
}

async fn lease_bucket(nats: &Nats, copies: usize, drain: &CancellationToken) -> anyhow::Result<kv::Store> {
    let config = || kv::Config {
        bucket: LEASE_BUCKET.into(),
        max_age: LEASE_TTL,
        history: 1,
        num_replicas: copies,
        storage: StorageType::File,
        ..kv::Config::default()
    };
    let bucket = retried(drain, &format!("open the bucket {LEASE_BUCKET}"), async || {
        if let Ok(bucket) = nats.jetstream.get_key_value(LEASE_BUCKET).await {
            return Ok(bucket);
        }
        nats.jetstream.create_key_value(config()).await.map_err(|error| Failed::Transient(error.to_string()))
    })
    .await?;
    let found = bucket.stream.cached_info().config.max_age;
    if found != LEASE_TTL {
        bail!(
            "the bucket {LEASE_BUCKET} on NATS keeps a lease for {found:?}, and {LEASE_TTL:?} is needed: stop all control planes, \
             delete it, and start them again"
        );
    }
    Ok(bucket)
}

/// Why a request to JetStream failed.
enum Failed {
    /// It may succeed later.
    Transient(String),
    /// No server has JetStream, or none has it yet.
    NoJetStream,
    /// It never will.
    Final(String),
}

/// Finds out why a request was not answered.
async fn unanswered(nats: &Nats, why: String) -> Failed {
    let asked = nats.client.request("$JS.API.INFO", Vec::new().into()).await;
    match asked.map_err(|error| error.kind()) {
        Err(RequestErrorKind::NoResponders) => Failed::NoJetStream,
        _ => Failed::Transient(why),
    }
}

fn failed(error: &jetstream::Error) -> Failed {
    match error.error_code() {
        ErrorCode::JETSTREAM_NOT_ENABLED | ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT => Failed::Final(NO_JETSTREAM.into()),
        // Another replica has made it in between; the next attempt finds it.
        ErrorCode::STREAM_NAME_EXIST => Failed::Transient("it was just made by another replica".into()),
        ErrorCode::CLUSTER_NO_PEERS | ErrorCode::INSUFFICIENT_RESOURCES | ErrorCode::STORAGE_RESOURCES_EXCEEDED => {
            Failed::Transient(format!(
                "{error}: JetStream needs as many servers as SITIO_NATS_COPIES, each with a max_file_store of at least 10 GiB"
            ))
        }
        _ => Failed::Transient(error.to_string()),
    }
}

/// Repeats a request until it succeeds, or can never succeed. The first failure and every tenth second are logged.
async fn retried<T>(
    drain: &CancellationToken,
    what: &str,
    mut attempt: impl AsyncFnMut() -> Result<T, Failed>,
) -> anyhow::Result<T> {
    let mut attempts = 0_u32;
    let mut absent_since: Option<Instant> = None;
    loop {
        match attempt().await {
            Ok(done) => return Ok(done),
            Err(Failed::NoJetStream) if absent_since.get_or_insert_with(Instant::now).elapsed() < START_WITHIN => {}
            Err(Failed::NoJetStream) => bail!("cannot {what} on NATS: {NO_JETSTREAM}"),
            Err(Failed::Final(why)) => bail!("cannot {what} on NATS: {why}"),
            Err(Failed::Transient(why)) if attempts % 20 == 4 => tracing::warn!(why, "cannot {what} on NATS yet; retrying"),
            Err(Failed::Transient(why)) => tracing::debug!(why, "cannot {what} on NATS yet; retrying"),
        }
        attempts += 1;
        tokio::select! {
            () = tokio::time::sleep(RETRY) => {}
            () = drain.cancelled() => bail!("stopped before it could {what} on NATS"),
        }
    }
}

/// Compares a stream with the settings that replicas rely on.
fn check(found: &Config, wanted: &Config) -> anyhow::Result<()> {
    let mut wrong = Vec::new();
    let mut compare = |what: &str, found: String, wanted: String| {
        if found != wanted {
            wrong.push(format!("{what} is {found} and must be {wanted}"));
        }
    };
    compare("storage", format!("{:?}", found.storage), format!("{:?}", wanted.storage));
    compare("retention", format!("{:?}", found.retention), format!("{:?}", wanted.retention));
    compare("discard", format!("{:?}", found.discard), format!("{:?}", wanted.discard));
    compare("subjects", found.subjects.join(" "), wanted.subjects.join(" "));
    compare("max_age", format!("{:?}", found.max_age), format!("{:?}", wanted.max_age));
    compare("max_bytes", found.max_bytes.to_string(), wanted.max_bytes.to_string());
    compare("num_replicas", found.num_replicas.to_string(), wanted.num_replicas.to_string());
    compare("allow_direct", found.allow_direct.to_string(), wanted.allow_direct.to_string());
    if wrong.is_empty() {
        return Ok(());
    }
    bail!(
        "the stream {} on NATS has other settings than the control planes need: {}. Change them by `nats stream edit {}`, then \
         start the control planes again",
        found.name,
        wrong.join(", "),
        found.name
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_with_other_limits_is_refused_with_all_that_is_wrong() {
        let wanted = windows(3, "store-1");
        assert!(check(&wanted, &windows(3, "store-2")).is_ok(), "the store is compared elsewhere");
        let found = Config { num_replicas: 1, max_age: Duration::from_secs(60), ..wanted.clone() };
        let why = check(&found, &wanted).unwrap_err().to_string();
        assert!(why.contains("max_age is 60s and must be 3600s, num_replicas is 1 and must be 3"), "{why}");
    }
}
