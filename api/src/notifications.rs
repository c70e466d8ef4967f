//! `/api/v1/notifications`: what is wrong with services, and the messages about it; also the body of a webhook.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::words::words;

/// The notices of the services that the reader sees.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Notifications {
    /// The time of the answer.
    #[schema(format = DateTime)]
    pub taken_at: String,
    /// The notices that fire, the newest first.
    pub firing: Vec<Notification>,
    /// The last notices that have ended, the newest first.
    pub resolved: Vec<Notification>,
    /// The channels of the notifications file; empty for a reader of some namespaces only.
    pub channels: Vec<NotificationChannel>,
    /// Why the notifications file cannot be used, so that the settings before stay valid; null if it can.
    pub file_error: Option<String>,
}

/// A notice: one for each condition and service at a time, whatever the number of pods.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Notification {
    /// Its id. All messages about it have the same.
    pub id: String,
    /// What is wrong.
    pub condition: NotificationCondition,
    /// The namespace of the service.
    pub namespace: String,
    /// The service.
    pub service: String,
    /// Whether it lasts.
    pub state: NotificationState,
    /// When the condition began.
    #[schema(format = DateTime)]
    pub since: String,
    /// When the condition ended; null while it lasts.
    #[schema(format = DateTime)]
    pub resolved_at: Option<String>,
    /// What was seen, as a sentence.
    pub detail: String,
    /// How often the condition began: more than once if it comes and goes.
    pub times: u32,
    /// The first 20 pods that were concerned.
    pub pods: Vec<NotificationPod>,
    /// The number of pods, those included that are not listed.
    pub pods_total: u64,
    /// The last five exchanges that failed when it began, the newest first.
    pub exchanges: Vec<NotificationExchange>,
}

words! {
    /// What is wrong with a service.
    pub enum NotificationCondition {
        /// It refuses connections.
        Refusing,
        /// Pods are gone without signing off.
        Vanished,
        /// The kernel has killed a process for lack of memory.
        OomKilled,
        /// The share of 5xx is over its limit.
        Failing,
        /// It was restarted.
        Restarted,
        /// Its memory is close to the limit.
        MemoryNear,
    }
}

words! {
    /// Whether a notice lasts.
    pub enum NotificationState {
        /// The condition lasts, or was over for a short time only.
        Firing,
        /// The condition is over.
        Resolved,
    }
}

/// A pod of a notice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NotificationPod {
    /// Its name.
    pub pod: String,
    /// When it was first seen in this condition.
    #[schema(format = DateTime)]
    pub since: String,
}

/// An exchange that has failed. Its path has no query.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NotificationExchange {
    /// When it began.
    #[schema(format = DateTime)]
    pub at: String,
    /// The pod.
    pub pod: String,
    /// The method of the endpoint.
    pub method: String,
    /// The path.
    pub path: String,
    /// The status that the caller got.
    pub status: u16,
    /// How it ended: `answered`, or which side broke it and how, such as `upstream-connect`.
    pub outcome: String,
    /// How long it took.
    pub took_ms: f64,
    /// The id of its trace.
    pub trace: Option<String>,
}

/// A channel of the notifications file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NotificationChannel {
    /// Its name.
    pub name: String,
    /// `webhook` or `mail`.
    pub transport: String,
    /// Messages that are not delivered yet.
    pub queued: u64,
    /// Messages that were delivered since the start.
    pub delivered: u64,
    /// Attempts that failed since the start; each is repeated.
    pub failed: u64,
    /// Messages that were dropped after too many attempts.
    pub given_up: u64,
    /// Messages over the limit of an hour, which are in a summary instead.
    pub suppressed: u64,
    /// When the last message was delivered.
    #[schema(format = DateTime)]
    pub delivered_at: Option<String>,
    /// When an attempt failed last.
    #[schema(format = DateTime)]
    pub failed_at: Option<String>,
    /// Why.
    pub failure: Option<String>,
}

/// The body of a webhook in the format `json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NotificationMessage {
    /// The version of this schema: 1. Later versions of Sitio add properties without changing it.
    pub version: u32,
    /// What happened.
    pub event: NotificationEvent,
    /// When the message was made.
    #[schema(format = DateTime)]
    pub at: String,
    /// The notice; null in a summary and in a test.
    pub notification: Option<Notification>,
    /// What was not sent by itself; null except in a summary.
    pub summary: Option<NotificationSummary>,
    /// The page of the dashboard with all notices; null if the control plane does not know its own address.
    pub url: Option<String>,
}

words! {
    /// What a message reports.
    pub enum NotificationEvent {
        /// A condition has begun.
        Firing,
        /// It still lasts.
        Repeated,
        /// It has ended.
        Resolved,
        /// More messages were made than the channel takes in an hour.
        Summary,
        /// An operator tests the channel.
        Test,
    }
}

/// Messages that were not sent by themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NotificationSummary {
    /// Their number.
    pub messages: u64,
    /// The newest 50 of them, oldest first.
    pub lines: Vec<NotificationSummaryLine>,
}

/// One message that was not sent by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NotificationSummaryLine {
    /// When it was made.
    #[schema(format = DateTime)]
    pub at: String,
    /// What happened.
    pub event: NotificationEvent,
    /// What is wrong.
    pub condition: NotificationCondition,
    /// The namespace of the service.
    pub namespace: String,
    /// The service.
    pub service: String,
}

/// The request for a test message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NotificationTest {
    /// The channel.
    pub channel: String,
}

/// The result of a test message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NotificationTestResult {
    /// The channel.
    pub channel: String,
    /// Whether the receiver has accepted it.
    pub delivered: bool,
    /// What the receiver answered, or why there is no answer.
    pub answer: String,
}
