//! What a message says: the JSON of the API, and the same as a text for people.
//!
//! Names, paths and reasons come from other machines. Each is made visible and kept on its line, so that none looks like
//! another part of the message.

use api::notifications::{
    Notification, NotificationCondition, NotificationEvent, NotificationExchange, NotificationMessage, NotificationPod,
    NotificationState, NotificationSummary, NotificationSummaryLine,
};
use format::label::service_label;
use format::{number, time};
use mesh::visible::one_line;

use crate::model::notice::{Notice, NoticeCondition, NoticeEvent, NoticeExchange};
use crate::store::notice_store::{MessageContent, StoredMessage, SummaryLine};

/// The version of the JSON schema.
const SCHEMA_VERSION: u32 = 1;

/// A message that is ready for any channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Unique for all time, and the same for each attempt: a receiver recognises a message that it has already.
    pub id: String,
    /// The notice's id, which groups all messages about it; `None` for a summary and for a test.
    pub notice: Option<String>,
    /// One line.
    pub subject: String,
    /// The lines that follow.
    pub text: String,
    /// The same as JSON.
    pub json: NotificationMessage,
}

impl Message {
    /// The message of the store. `url` is the page with all notices.
    pub fn from_stored(stored: &StoredMessage, url: Option<String>) -> Self {
        match &stored.content {
            MessageContent::Notice { event, notice } => {
                let json = NotificationMessage {
                    notification: Some(Notification::from(&**notice)),
                    ..envelope((*event).into(), stored.made_ms, url)
                };
                // Numbers begin anew with an empty queue, so the time makes it unique.
                let id = format!("{}-{}-{}", notice.id, stored.made_ms, stored.number);
                Self { notice: Some(notice.id.clone()), ..Self::new(id, subject(*event, notice), text(notice), json) }
            }
            MessageContent::Summary { messages, lines } => {
                let summary = NotificationSummary { messages: *messages, lines: lines.iter().map(summary_line).collect() };
                let json =
                    NotificationMessage { summary: Some(summary), ..envelope(NotificationEvent::Summary, stored.made_ms, url) };
                let messages = number::plural(*messages as usize, "message", "messages");
                let subject = format!("[summary] {messages} over the limit of an hour");
                let text = lines.iter().map(line).collect();
                Self::new(format!("summary-{}-{}", stored.made_ms, stored.number), subject, text, json)
            }
        }
    }

    /// A test of a channel.
    pub fn test(channel: &str, by: &str, now_ms: u64, url: Option<String>) -> Self {
        let subject = format!("[test] Sitio’s channel {channel}");
        let text = format!("{} tests this channel. No service has a problem because of it.\n", one_line(by));
        let json = envelope(NotificationEvent::Test, now_ms, url);
        Self::new(format!("test-{}", uuid::Uuid::new_v4().simple()), subject, text, json)
    }

    fn new(id: String, subject: String, mut text: String, json: NotificationMessage) -> Self {
        if let Some(url) = &json.url {
            text = format!("{text}\nAll notices: {url}\n");
        }
        Self { id, notice: None, subject, text, json }
    }
}

fn envelope(event: NotificationEvent, at_ms: u64, url: Option<String>) -> NotificationMessage {
    NotificationMessage { version: SCHEMA_VERSION, event, at: time::instant(at_ms), notification: None, summary: None, url }
}

fn subject(event: NoticeEvent, notice: &Notice) -> String {
    let (subject, word) = (&notice.subject, event_word(event));
    let service = service_label(&subject.namespace, &subject.service);
    format!("[{word}] {} {}", one_line(&service), subject.condition.words())
}

fn event_word(event: NoticeEvent) -> &'static str {
    match event {
        NoticeEvent::Firing => "firing",
        NoticeEvent::Repeated => "still firing",
        NoticeEvent::Resolved => "resolved",
    }
}

fn text(notice: &Notice) -> String {
    let mut lines = vec![format!("{}.", one_line(&notice.detail)), format!("Since {} UTC.", time::day_and_time(notice.since_ms))];
    if let Some(resolved_ms) = notice.resolved_ms {
        let lasted = time::span(resolved_ms.saturating_sub(notice.since_ms));
        lines.push(format!("Resolved {} UTC, after {lasted}.", time::day_and_time(resolved_ms)));
    }
    if notice.times > 1 {
        lines.push(format!("It has come and gone {} times.", notice.times));
    }
    if !notice.pods.is_empty() {
        let more = notice.pods_total.saturating_sub(notice.pods.len());
        let more = if more > 0 { format!(", and {more} more") } else { String::new() };
        let names: Vec<_> = notice.pods.iter().map(|pod| one_line(&pod.name)).collect();
        lines.push(format!("Pods: {}{more}", names.join(", ")));
    }
    if !notice.exchanges.is_empty() {
        lines.push("Last failed exchanges:".to_owned());
        lines.extend(notice.exchanges.iter().map(exchange_line));
    }
    lines.join("\n") + "\n"
}

fn exchange_line(exchange: &NoticeExchange) -> String {
    let NoticeExchange { at_ms, pod, method, path, status, outcome, took_us, trace } = exchange;
    let took = number::latency(Some(*took_us as f64)).words();
    let trace = trace.as_ref().map(|trace| format!(" trace {}", one_line(trace))).unwrap_or_default();
    let (method, path, pod, outcome) = (one_line(method), one_line(path), one_line(pod), one_line(outcome));
    format!("  {} {method} {path} -> {status} {outcome}, {took}, {pod}{trace}", time::clock(*at_ms))
}

fn line(line: &SummaryLine) -> String {
    let (subject, at) = (&line.subject, time::clock(line.at_ms));
    let service = service_label(&subject.namespace, &subject.service);
    format!("{at} [{}] {} {}\n", event_word(line.event), one_line(&service), subject.condition.words())
}

fn summary_line(line: &SummaryLine) -> NotificationSummaryLine {
    NotificationSummaryLine {
        at: time::instant(line.at_ms),
        event: line.event.into(),
        condition: line.subject.condition.into(),
        namespace: line.subject.namespace.clone(),
        service: line.subject.service.clone(),
    }
}

impl From<&Notice> for Notification {
    fn from(notice: &Notice) -> Self {
        let subject = &notice.subject;
        Self {
            id: notice.id.clone(),
            condition: subject.condition.into(),
            namespace: subject.namespace.clone(),
            service: subject.service.clone(),
            state: if notice.resolved_ms.is_some() { NotificationState::Resolved } else { NotificationState::Firing },
            since: time::instant(notice.since_ms),
            resolved_at: notice.resolved_ms.map(time::instant),
            detail: notice.detail.clone(),
            times: notice.times,
            pods: notice
                .pods
                .iter()
                .map(|pod| NotificationPod { pod: pod.name.clone(), since: time::instant(pod.since_ms) })
                .collect(),
            pods_total: notice.pods_total as u64,
            exchanges: notice.exchanges.iter().map(NotificationExchange::from).collect(),
        }
    }
}

impl From<&NoticeExchange> for NotificationExchange {
    fn from(exchange: &NoticeExchange) -> Self {
        Self {
            at: time::instant(exchange.at_ms),
            pod: exchange.pod.clone(),
            method: exchange.method.clone(),
            path: exchange.path.clone(),
            status: exchange.status,
            outcome: exchange.outcome.clone(),
            took_ms: exchange.took_us as f64 / 1000.0,
            trace: exchange.trace.clone(),
        }
    }
}

impl From<NoticeCondition> for NotificationCondition {
    fn from(condition: NoticeCondition) -> Self {
        match condition {
            NoticeCondition::Refusing => Self::Refusing,
            NoticeCondition::Vanished => Self::Vanished,
            NoticeCondition::OomKilled => Self::OomKilled,
            NoticeCondition::Failing => Self::Failing,
            NoticeCondition::Restarted => Self::Restarted,
            NoticeCondition::MemoryNear => Self::MemoryNear,
        }
    }
}

impl From<NoticeEvent> for NotificationEvent {
    fn from(event: NoticeEvent) -> Self {
        match event {
            NoticeEvent::Firing => Self::Firing,
            NoticeEvent::Repeated => Self::Repeated,
            NoticeEvent::Resolved => Self::Resolved,
        }
    }
}

#[cfg(test)]
mod tests;
