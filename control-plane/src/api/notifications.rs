//! `/api/v1/notifications`: what is wrong with services, and the state of the channels that report it.

use api::notifications::{Notification, NotificationChannel, NotificationTest, NotificationTestResult, Notifications};
use axum::Json;
use axum::extract::rejection::JsonRejection;

use crate::api::problem::ProblemResponse;
use crate::api::units::instant;
use crate::clock::now_ms;
use crate::notifications::outbox::ChannelCounts;
use crate::query::reader::Reader;

/// Lists the notices that fire and the last ones that have ended, and the channels that they are sent to.
#[utoipa::path(
    get,
    path = "/api/v1/notifications",
    operation_id = "listNotifications",
    responses(
        (status = 200, description = "The newest first.", body = Notifications),
    )
)]
pub(super) async fn list(reader: Reader) -> Json<Notifications> {
    let notices = reader.notices();
    let channels = reader.notification_channels().into_iter();
    Json(Notifications {
        taken_at: instant(now_ms()),
        firing: notices.firing.iter().map(Notification::from).collect(),
        resolved: notices.resolved.iter().map(Notification::from).collect(),
        channels: channels.map(|(name, transport, counts)| channel(name, transport, counts)).collect(),
        file_error: reader.notifications_error(),
    })
}

/// Sends a test message over a channel, and waits for the receiver's answer.
#[utoipa::path(
    post,
    path = "/api/v1/notifications/test",
    operation_id = "testNotifications",
    request_body = NotificationTest,
    responses(
        (status = 200, description = "What the receiver answered, whether it has accepted the message or not.", body = NotificationTestResult),
        (status = 400, description = "The body is not JSON."),
        (status = 404, description = "There is no such channel: the problem names those that there are."),
        (status = 413, description = "The body is too long."),
        (status = 415, description = "The content type of the body is not JSON."),
        (status = 422, description = "The body has other properties."),
    )
)]
pub(super) async fn test(
    reader: Reader,
    body: Result<Json<NotificationTest>, JsonRejection>,
) -> Result<Json<NotificationTestResult>, ProblemResponse> {
    let Json(NotificationTest { channel }) = body?;
    let answer = reader.test_channel(&channel, now_ms()).await?;
    let delivered = answer.is_ok();
    let answer = answer.unwrap_or_else(|error| error.to_string());
    Ok(Json(NotificationTestResult { channel, delivered, answer }))
}

fn channel(name: String, transport: &str, counts: ChannelCounts) -> NotificationChannel {
    let (failed_ms, failure) = counts.last_failure.unzip();
    NotificationChannel {
        name,
        transport: transport.to_owned(),
        queued: counts.queued as u64,
        delivered: counts.delivered,
        failed: counts.failed,
        given_up: counts.given_up,
        suppressed: counts.suppressed,
        delivered_at: counts.delivered_ms.map(instant),
        failed_at: failed_ms.map(instant),
        failure,
    }
}
