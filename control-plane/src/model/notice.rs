//! Notices: what is wrong with a service, since when, on which pods, and the last exchanges that failed.

use serde::{Deserialize, Serialize};

/// Pods that a notice names. A message for people needs no more.
pub const PODS_MAX: usize = 20;

/// Exchanges that are attached to a notice.
pub const EXCHANGES_MAX: usize = 5;

/// What can be wrong with a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeCondition {
    /// The service refuses connections.
    Refusing,
    /// Pods are gone that have not signed off.
    Vanished,
    /// The kernel has killed a process for lack of memory.
    OomKilled,
    /// The share of 5xx is over its limit.
    Failing,
    /// The service was restarted.
    Restarted,
    /// Memory is close to its limit.
    MemoryNear,
}

impl NoticeCondition {
    /// All conditions, the most urgent first.
    pub const EACH: [Self; 6] =
        [Self::Refusing, Self::Vanished, Self::OomKilled, Self::Failing, Self::Restarted, Self::MemoryNear];

    /// Its name in files, in JSON and in URLs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Refusing => "refusing",
            Self::Vanished => "vanished",
            Self::OomKilled => "oom_killed",
            Self::Failing => "failing",
            Self::Restarted => "restarted",
            Self::MemoryNear => "memory_near",
        }
    }

    /// Its words in a sentence about the service.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Refusing => "refuses connections",
            Self::Vanished => "has lost pods",
            Self::OomKilled => "ran out of memory",
            Self::Failing => "fails requests",
            Self::Restarted => "was restarted",
            Self::MemoryNear => "is close to its memory limit",
        }
    }
}

/// What is wrong, and with which service: there is one notice for each at a time, whatever the number of pods.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NoticeSubject {
    /// The condition.
    pub condition: NoticeCondition,
    /// The namespace of the service.
    pub namespace: String,
    /// The service.
    pub service: String,
}

/// A notice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Its id, unique for all time.
    pub id: String,
    /// What it is about.
    #[serde(flatten)]
    pub subject: NoticeSubject,
    /// When the condition began, milliseconds since the Unix epoch.
    pub since_ms: u64,
    /// When the condition ended; `None` while it lasts.
    pub resolved_ms: Option<u64>,
    /// What was seen, as a sentence with numbers.
    pub detail: String,
    /// How often the condition began: more than once if it comes and goes.
    pub times: u32,
    /// The first pods, at most [`PODS_MAX`].
    pub pods: Vec<NoticePod>,
    /// The number of pods, those included that are not listed.
    pub pods_total: usize,
    /// The last exchanges that failed, newest first, at most [`EXCHANGES_MAX`].
    pub exchanges: Vec<NoticeExchange>,
}

/// A pod of a notice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticePod {
    /// Its name.
    pub name: String,
    /// When it was first seen in this condition, milliseconds since the Unix epoch.
    pub since_ms: u64,
    /// Until when it counts as being in this condition.
    pub until_ms: u64,
}

/// An exchange that has failed, without the query of its path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeExchange {
    /// When it began, milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// The pod.
    pub pod: String,
    /// The method of its endpoint.
    pub method: String,
    /// Its path.
    pub path: String,
    /// The status that the caller got.
    pub status: u16,
    /// How it ended: the words of [`Outcome`](mesh::exchange::Outcome).
    pub outcome: String,
    /// How long it took, in microseconds.
    pub took_us: u64,
    /// Its trace.
    pub trace: Option<String>,
}

/// What a message to a channel reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NoticeEvent {
    /// A condition has begun.
    Firing,
    /// It still lasts.
    Repeated,
    /// It has ended.
    Resolved,
}
