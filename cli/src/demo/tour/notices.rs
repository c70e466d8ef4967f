//! Receives the notices of the control plane during the tour, as a webhook of a team would.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::ports::listen_anywhere;
use crate::sanitize::plain;

/// A notice must have lasted for a second, and failures are looked for in the last minute.
const NOTICED_WITHIN: Duration = Duration::from_secs(15);

/// The receiver, and the file that makes the control plane send to it.
#[derive(Debug)]
pub(super) struct Notices {
    file: PathBuf,
    first: watch::Receiver<Option<Value>>,
}

impl Notices {
    /// Listens, and writes the file into this folder.
    pub(super) fn start(folder: &Path, tasks: &mut JoinSet<()>) -> anyhow::Result<Self> {
        let (listener, address) = listen_anywhere()?;
        let file = folder.join("tour-notifications.yaml");
        let text = format!(
            "conditions:\n  failing: {{after: 1s}}\nchannels:\n- name: tour\n  webhook: {{url: \"http://{address}/\"}}\n"
        );
        std::fs::write(&file, text).with_context(|| format!("write {}", file.display()))?;
        let (sender, first) = watch::channel(None);
        let listener = tokio::net::TcpListener::from_std(listener).context("take over the receiver's listener")?;
        tasks.spawn(async move {
            let routes = Router::new().route("/", post(receive)).with_state(sender);
            if let Err(error) = axum::serve(listener, routes).await {
                tracing::warn!(%error, "the receiver of notices has ended");
            }
        });
        Ok(Self { file, first })
    }

    /// The notifications file.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// The first notice as a line; a hint if there is none in time.
    pub(super) async fn first(&self) -> anyhow::Result<String> {
        let mut first = self.first.clone();
        let waited = timeout(NOTICED_WITHIN, first.wait_for(Option::is_some)).await;
        let Ok(Ok(message)) = waited else {
            return Ok("      no notice has arrived: too few requests of the last minute failed".to_owned());
        };
        let word = |at: &str| message.as_ref().and_then(|message| message.pointer(at)?.as_str()).unwrap_or_default();
        let (event, condition, service) = (word("/event"), word("/notification/condition"), word("/notification/service"));
        Ok(format!("      {event}: {service} is {condition}. {}", plain(word("/notification/detail"))))
    }
}

async fn receive(State(first): State<watch::Sender<Option<Value>>>, Json(message): Json<Value>) {
    first.send_if_modified(|first| {
        let is_first = first.is_none();
        first.get_or_insert(message);
        is_first
    });
}
