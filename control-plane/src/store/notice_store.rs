//! The store of notices: those that fire, the last ones that ended, and the messages that are not delivered yet.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::model::notice::{Notice, NoticeEvent, NoticeSubject};
use crate::store::StoreError;

/// Lines of a summary. A person reads no more.
const SUMMARY_LINES_MAX: usize = 50;

/// Storage of notices and of their messages. Calls may block, so call it only where blocking is allowed.
pub trait NoticeStore: Send + Sync + std::fmt::Debug {
    /// Reads all notices and messages.
    fn load_notices(&self) -> Result<StoredNotices, StoreError>;

    /// Makes a change atomically and durably, or not at all.
    fn save_notices(&self, change: &NoticeChange) -> Result<(), StoreError>;
}

/// Everything that is stored.
#[derive(Debug, Default)]
pub struct StoredNotices {
    /// The notices, in no particular order.
    pub notices: Vec<StoredNotice>,
    /// The messages, oldest first.
    pub messages: Vec<StoredMessage>,
}

/// A notice with what is known of its messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredNotice {
    /// The notice.
    pub notice: Notice,
    /// When it was last put into the queues, milliseconds since the Unix epoch.
    pub sent_ms: u64,
    /// The channels that were sent that it fires, and that get its end, too.
    pub channels: BTreeSet<String>,
}

/// A message for a channel that is not delivered yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredMessage {
    /// Counts up; a channel's messages are delivered in this order.
    pub number: u64,
    /// The name of the channel.
    pub channel: String,
    /// When it was made, milliseconds since the Unix epoch.
    pub made_ms: u64,
    /// When it may be delivered at the earliest, milliseconds since the Unix epoch.
    pub not_before_ms: u64,
    /// What it says.
    pub content: MessageContent,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MessageContent {
    /// One notice.
    Notice {
        /// What happened to it.
        event: NoticeEvent,
        /// The notice then.
        notice: Box<Notice>,
    },
    /// Several notices, after more messages than the channel takes in an hour.
    Summary {
        /// Number of messages in whose place this one is.
        messages: u64,
        /// The newest ones.
        lines: Vec<SummaryLine>,
    },
}

impl MessageContent {
    /// Adds a line to a summary; its oldest line makes room.
    pub fn add_line(&mut self, line: SummaryLine) {
        if let Self::Summary { messages, lines } = self {
            *messages += 1;
            if lines.len() >= SUMMARY_LINES_MAX {
                lines.remove(0);
            }
            lines.push(line);
        }
    }
}

/// One message that was not sent by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SummaryLine {
    /// When it was made, milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// What happened.
    pub event: NoticeEvent,
    /// The notice's condition and service.
    #[serde(flatten)]
    pub subject: NoticeSubject,
}

/// A change, written in one transaction.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct NoticeChange {
    /// Notices by id: new ones and changed ones, and `None` for those to delete.
    pub notices: BTreeMap<String, Option<StoredNotice>>,
    /// Messages by number, likewise.
    pub messages: BTreeMap<u64, Option<StoredMessage>>,
}

impl NoticeChange {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.notices.is_empty() && self.messages.is_empty()
    }

    /// Adds a later change, whose values win.
    pub fn add(&mut self, later: Self) {
        self.notices.extend(later.notices);
        self.messages.extend(later.messages);
    }
}
