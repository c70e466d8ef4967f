//! Reads a stream from a sequence on, many messages a request, from whichever server answers.

use std::time::Duration;

use async_nats::StatusCode;
use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::GetStreamErrorKind;
use bytes::Bytes;
use futures_util::StreamExt;
use serde_json::json;

use crate::replication::connection::Nats;

/// Messages of one read.
const BATCH: u64 = 512;

/// Bytes of one read: a replica holds them in memory, and decoded they take about ten times as much.
const BATCH_BYTES: u64 = 2 << 20;

/// How long the next message of a read may take.
pub(super) const MESSAGE_WITHIN: Duration = Duration::from_secs(3);

/// A message of a stream.
#[derive(Debug)]
pub(super) struct Stored {
    /// Its sequence.
    pub(super) sequence: u64,
    /// Its content.
    pub(super) payload: Bytes,
}

/// What the stream holds, as its leader says.
#[derive(Debug, Clone, Copy)]
pub(super) struct StreamEnds {
    /// The first sequence; if the stream is empty, that of the next message.
    pub(super) first: u64,
    /// The last sequence ever given.
    pub(super) last: u64,
}

/// A read failed; it can be repeated.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the stream {stream}: {why}")]
pub(super) struct ReadError {
    stream: &'static str,
    why: String,
}

/// Reads messages from `from` on; none if this server has no more. The first may have a higher sequence, and must arrive
/// within `first_within`: any server of the stream may be asked, also one that has fallen silent.
pub(super) async fn read(nats: &Nats, stream: &'static str, from: u64, first_within: Duration) -> Result<Vec<Stored>, ReadError> {
    let failed = |why: String| ReadError { stream, why };
    let inbox = nats.client.new_inbox();
    let mut replies = nats.client.subscribe(inbox.clone()).await.map_err(|error| failed(error.to_string()))?;
    let request = json!({ "seq": from, "batch": BATCH, "max_bytes": BATCH_BYTES }).to_string();
    let subject = format!("$JS.API.DIRECT.GET.{stream}");
    let asked = nats.client.publish_with_reply(subject, inbox, request.into()).await;
    asked.map_err(|error| failed(error.to_string()))?;
    let mut messages = Vec::new();
    loop {
        let within = if messages.is_empty() { first_within } else { MESSAGE_WITHIN };
        let reply = match tokio::time::timeout(within, replies.next()).await {
            Ok(Some(reply)) => reply,
            Ok(None) => return Err(failed("the connection to NATS has ended".into())),
            // What has arrived is used: the next read goes on after it.
            Err(_) if !messages.is_empty() => return Ok(messages),
            Err(_) => return Err(failed(format!("no answer within {within:?}"))),
        };
        match reply.status {
            None | Some(StatusCode::OK) => {}
            Some(StatusCode::NO_RESPONDERS) => return Err(failed("no server has it now".into())),
            // The end of the batch, or nothing at all from there on.
            Some(_) => return Ok(messages),
        }
        let sequence = reply.headers.as_ref().and_then(|headers| headers.get("Nats-Sequence"));
        let Some(sequence) = sequence.and_then(|sequence| sequence.as_str().parse().ok()) else {
            return Err(failed("an answer without a sequence".into()));
        };
        if messages.last().is_some_and(|last: &Stored| last.sequence + 1 != sequence) {
            return Ok(messages);
        }
        messages.push(Stored { sequence, payload: reply.payload });
    }
}

/// Asks the leader of a stream for its first and last sequence; `None` if there is no such stream.
pub(super) async fn ends(nats: &Nats, stream: &'static str) -> Result<Option<StreamEnds>, ReadError> {
    match nats.jetstream.get_stream(stream).await {
        Ok(found) => {
            let state = &found.cached_info().state;
            Ok(Some(StreamEnds { first: state.first_sequence, last: state.last_sequence }))
        }
        Err(error) => match error.kind() {
            GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND => Ok(None),
            _ => Err(ReadError { stream, why: error.to_string() }),
        },
    }
}
