//! Runs the notifications: reads their file, watches the services, and delivers messages.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::time::MissedTickBehavior;

use crate::clock::now_ms;
use crate::dashboard::notices;
use crate::notifications::delivery;
use crate::notifications::file::NotificationsFile;
use crate::public_url::PublicUrl;
use crate::state::AppState;

/// How often the conditions of all services are looked at: as often as sidecars report.
const WATCH_EVERY: Duration = Duration::from_secs(1);

/// Reads the notifications file. Like the other settings, it must be usable at the start.
pub(super) async fn configure(state: &AppState, path: Option<PathBuf>, public_url: Option<&PublicUrl>) -> anyhow::Result<()> {
    let notifications = Arc::clone(&state.notifications);
    let page_url = public_url.map(|url| format!("{}/{}", url.address(), notices::PAGE));
    let configuring = tokio::task::spawn_blocking(move || {
        let file = path.map(NotificationsFile::open).transpose().map_err(anyhow::Error::msg)?;
        notifications.configure(file, page_url);
        Ok(())
    });
    configuring.await.context("read the notifications file")?
}

/// Watches the services and delivers messages until drained.
pub(super) async fn run(state: Arc<AppState>) -> anyhow::Result<()> {
    let delivering = delivery::run(Arc::clone(&state.notifications), state.drain.clone());
    // A watch that fails ends both, so that the program does not go on without notices.
    tokio::try_join!(watch(&state), async {
        delivering.await;
        Ok(())
    })
    .map(drop)
}

async fn watch(state: &Arc<AppState>) -> anyhow::Result<()> {
    let mut ticks = tokio::time::interval(WATCH_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = state.drain.cancelled() => return Ok(()),
        }
        let state = Arc::clone(state);
        tokio::task::spawn_blocking(move || state.watch_conditions(now_ms())).await.context("watch the services")?;
    }
}
