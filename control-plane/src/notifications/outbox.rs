//! The messages that are not delivered yet, by channel: in order, bounded, and repeated until they are delivered.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use crate::model::notice::{Notice, NoticeEvent};
use crate::notifications::settings::channel::NotificationChannel;
use crate::store::notice_store::{MessageContent, NoticeChange, StoredMessage, SummaryLine};

/// Messages that wait for one channel. What comes after them is added up in one summary.
const QUEUE_MAX: usize = 100;

/// The period of a channel's limit, in milliseconds.
const HOUR_MS: u64 = 3_600_000;

/// The first wait before a message is tried again.
const BACKOFF_MIN: Duration = Duration::from_secs(1);

/// The longest wait.
const BACKOFF_MAX: Duration = Duration::from_secs(5 * 60);

/// How old a message may become: a day later, a notice is not news.
const GIVE_UP_AFTER_MS: u64 = 24 * HOUR_MS;

/// Attempts to deliver a message that the receiver refuses. It would refuse a thousand, and others wait behind it.
const REFUSED_MAX: u32 = 5;

/// The queues of all channels.
#[derive(Debug, Default)]
pub struct Outbox {
    queues: BTreeMap<String, ChannelQueue>,
    last_number: u64,
}

/// The queue of one channel.
#[derive(Debug, Default)]
struct ChannelQueue {
    messages: VecDeque<StoredMessage>,
    /// When the messages of the last hour were made.
    made_ms: VecDeque<u64>,
    flight: Flight,
    /// Whether the receiver may have the first message already.
    is_first_tried: bool,
    refusals: u32,
    backoff: Option<ExponentialBackoff>,
    counts: ChannelCounts,
}

/// What the first message of a queue does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flight {
    /// It waits until this time, milliseconds since the Unix epoch.
    Until(u64),
    /// It is being delivered.
    Under,
}

impl Default for Flight {
    fn default() -> Self {
        Self::Until(0)
    }
}

/// What has become of a channel's messages since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChannelCounts {
    /// Messages that wait.
    pub queued: usize,
    /// Messages that were delivered.
    pub delivered: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Messages that were dropped after too many attempts.
    pub given_up: u64,
    /// Messages that are in a summary instead.
    pub suppressed: u64,
    /// The last failed attempt: its time in milliseconds since the Unix epoch, and why it failed.
    pub last_failure: Option<(u64, String)>,
    /// When the last message was delivered, milliseconds since the Unix epoch.
    pub delivered_ms: Option<u64>,
}

/// Why a message was not delivered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// The receiver cannot be reached, or has a fault that may pass.
    #[error("{0}")]
    Unavailable(String),
    /// The receiver does not want the message.
    #[error("{0}")]
    Refused(String),
}

impl Outbox {
    /// Continues with the messages of the store.
    pub fn restore(messages: Vec<StoredMessage>) -> Self {
        let mut outbox = Self::default();
        for message in messages {
            outbox.last_number = outbox.last_number.max(message.number);
            let queue = outbox.queues.entry(message.channel.clone()).or_default();
            queue.made_ms.push_back(message.made_ms);
            queue.messages.push_back(message);
        }
        outbox
    }

    /// Adds a message. Over the limit of the channel, it becomes a line of the summary that follows.
    pub fn push(&mut self, channel: &NotificationChannel, event: NoticeEvent, notice: &Notice, now_ms: u64) -> NoticeChange {
        self.last_number += 1;
        let name = channel.name.as_str();
        let queue = self.queues.entry(name.to_owned()).or_default();
        while queue.made_ms.front().is_some_and(|made_ms| now_ms.saturating_sub(*made_ms) >= HOUR_MS) {
            queue.made_ms.pop_front();
        }
        let line = SummaryLine { at_ms: now_ms, event, subject: notice.subject.clone() };
        if let Some(summary) = queue.open_summary() {
            summary.content.add_line(line);
            let summary = summary.clone();
            queue.counts.suppressed += 1;
            return NoticeChange { messages: BTreeMap::from([(summary.number, Some(summary))]), ..NoticeChange::default() };
        }
        let is_over = queue.made_ms.len() >= channel.per_hour_max as usize;
        let (content, not_before_ms) = if is_over || queue.messages.len() >= QUEUE_MAX {
            queue.counts.suppressed += 1;
            let oldest_ms = queue.made_ms.front().copied().filter(|_| is_over);
            let not_before_ms = oldest_ms.map_or(now_ms, |oldest_ms| oldest_ms.saturating_add(HOUR_MS));
            (MessageContent::Summary { messages: 1, lines: vec![line] }, not_before_ms)
        } else {
            queue.made_ms.push_back(now_ms);
            (MessageContent::Notice { event, notice: Box::new(notice.clone()) }, now_ms)
        };
        let message =
            StoredMessage { number: self.last_number, channel: name.to_owned(), made_ms: now_ms, not_before_ms, content };
        queue.messages.push_back(message.clone());
        NoticeChange { messages: BTreeMap::from([(message.number, Some(message))]), ..NoticeChange::default() }
    }

    /// Takes the messages whose delivery begins now, at most one of each channel.
    pub fn take_due(&mut self, now_ms: u64) -> Vec<StoredMessage> {
        let mut due = Vec::new();
        for queue in self.queues.values_mut() {
            let Some(first) = queue.messages.front() else { continue };
            let is_due = |until_ms: u64| until_ms <= now_ms && first.not_before_ms <= now_ms;
            if matches!(queue.flight, Flight::Until(until_ms) if is_due(until_ms)) {
                (queue.flight, queue.is_first_tried) = (Flight::Under, true);
                due.push(first.clone());
            }
        }
        due
    }

    /// Limits the times to what they can be now. After the clock was set back, they would hold messages for as long.
    pub fn limit_times(&mut self, now_ms: u64) {
        for queue in self.queues.values_mut() {
            queue.made_ms.iter_mut().for_each(|made_ms| *made_ms = (*made_ms).min(now_ms));
            for message in &mut queue.messages {
                message.not_before_ms = message.not_before_ms.min(now_ms.saturating_add(HOUR_MS));
            }
            if let Flight::Until(until_ms) = &mut queue.flight {
                *until_ms = (*until_ms).min(now_ms.saturating_add(BACKOFF_MAX.as_millis() as u64));
            }
        }
    }

    /// Records the result of a delivery.
    pub fn settle(&mut self, message: &StoredMessage, result: Result<(), DeliveryError>, now_ms: u64) -> NoticeChange {
        let Some(queue) = self.queues.get_mut(&message.channel) else { return NoticeChange::default() };
        let is_over = match result {
            Ok(()) => {
                queue.counts.delivered += 1;
                queue.counts.delivered_ms = Some(now_ms);
                true
            }
            Err(error) => {
                queue.counts.failed += 1;
                queue.refusals += u32::from(matches!(error, DeliveryError::Refused(_)));
                queue.counts.last_failure = Some((now_ms, error.to_string()));
                let is_old = now_ms.saturating_sub(message.not_before_ms) >= GIVE_UP_AFTER_MS;
                let gives_up = is_old || queue.refusals >= REFUSED_MAX;
                queue.counts.given_up += u64::from(gives_up);
                gives_up
            }
        };
        if !is_over {
            let backoff = queue.backoff.get_or_insert_with(new_backoff);
            let wait = backoff.next().unwrap_or(BACKOFF_MAX);
            queue.flight = Flight::Until(now_ms.saturating_add(wait.as_millis() as u64));
            return NoticeChange::default();
        }
        queue.messages.retain(|queued| queued.number != message.number);
        (queue.flight, queue.is_first_tried, queue.refusals, queue.backoff) = (Flight::default(), false, 0, None);
        NoticeChange { messages: BTreeMap::from([(message.number, None)]), ..NoticeChange::default() }
    }

    /// Drops the messages of channels that are not configured any more.
    pub fn keep_channels(&mut self, is_kept: impl Fn(&str) -> bool) -> NoticeChange {
        let mut change = NoticeChange::default();
        self.queues.retain(|name, queue| {
            let stays = is_kept(name) || queue.flight == Flight::Under;
            if !stays {
                change.messages.extend(queue.messages.iter().map(|message| (message.number, None)));
            }
            stays
        });
        change
    }

    /// What has become of a channel's messages.
    pub fn counts(&self, channel: &str) -> ChannelCounts {
        let counts = |queue: &ChannelQueue| ChannelCounts { queued: queue.messages.len(), ..queue.counts.clone() };
        self.queues.get(channel).map(counts).unwrap_or_default()
    }
}

impl ChannelQueue {
    /// The summary at the end of the queue, unless the receiver may have it: it would take what is added for the same message.
    fn open_summary(&mut self) -> Option<&mut StoredMessage> {
        let is_tried = self.messages.len() == 1 && self.is_first_tried;
        let last = self.messages.back_mut().filter(|_| !is_tried)?;
        matches!(last.content, MessageContent::Summary { .. }).then_some(last)
    }
}

fn new_backoff() -> ExponentialBackoff {
    let builder = ExponentialBuilder::new().with_min_delay(BACKOFF_MIN).with_max_delay(BACKOFF_MAX);
    builder.with_jitter().without_max_times().build()
}

#[cfg(test)]
mod tests;
