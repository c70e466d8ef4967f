//! Delivers messages: one at a time on each channel, all channels at once.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clock::now_ms;
use crate::notifications::Notifications;
use crate::notifications::message::Message;
use crate::notifications::outbox::DeliveryError;
use crate::notifications::settings::channel::{NotificationChannel, Transport};
use crate::store::notice_store::StoredMessage;

pub mod mail;
pub mod secret;
pub mod webhook;

/// How often the queues are looked at, besides when a message is made.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How long deliveries may take to end once drained. A message that is cut off is delivered again after the next start.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// The result of one delivery.
type Outcome = (StoredMessage, Result<String, DeliveryError>);

/// Sends a message over a channel, and returns what the receiver answered.
pub async fn deliver(channel: &NotificationChannel, message: &Message) -> Result<String, DeliveryError> {
    match &channel.transport {
        Transport::Webhook(webhook) => webhook::post(webhook, message).await,
        Transport::Mail(mail) => mail::send(mail, message).await,
    }
}

/// Delivers what is due until drained.
pub async fn run(notifications: Arc<Notifications>, drain: CancellationToken) {
    let mut deliveries = JoinSet::new();
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    while !drain.is_cancelled() {
        for message in notifications.take_due(now_ms()) {
            deliveries.spawn(attempt(Arc::clone(&notifications), message));
        }
        tokio::select! {
            _ = ticks.tick() => {}
            Some(Ok(outcome)) = deliveries.join_next() => settle(&notifications, outcome).await,
            () = notifications.wait_for_messages() => {}
            () = drain.cancelled() => {}
        }
    }
    let rest = async {
        while let Some(Ok(outcome)) = deliveries.join_next().await {
            settle(&notifications, outcome).await;
        }
    };
    if tokio::time::timeout(DRAIN_TIMEOUT, rest).await.is_err() {
        tracing::warn!("some notifications were cut off: they are delivered after the next start");
    }
}

async fn attempt(notifications: Arc<Notifications>, message: StoredMessage) -> Outcome {
    let settings = notifications.settings();
    let Some(channel) = settings.channel(&message.channel) else {
        let why = "the channel is not in the notifications file any more".to_owned();
        return (message, Err(DeliveryError::Refused(why)));
    };
    let text = Message::from_stored(&message, notifications.page_url());
    // A message must come back from its delivery, or its channel would wait for it forever.
    let delivering = AssertUnwindSafe(deliver(channel, &text)).catch_unwind();
    let result = delivering.await.unwrap_or_else(|_| Err(DeliveryError::Unavailable("the delivery panicked".to_owned())));
    (message, result)
}

async fn settle(notifications: &Arc<Notifications>, (message, result): Outcome) {
    match &result {
        Ok(_) => tracing::info!(channel = message.channel, message = message.number, "delivered a notification"),
        Err(why) => {
            tracing::warn!(channel = message.channel, message = message.number, "a notification was not delivered: {why}");
        }
    }
    let notifications = Arc::clone(notifications);
    let settling = tokio::task::spawn_blocking(move || notifications.settle(&message, result.map(drop), now_ms()));
    if let Err(panic) = settling.await {
        tracing::error!(%panic, "the result of a notification could not be recorded");
    }
}
