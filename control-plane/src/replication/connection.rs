//! The connection to NATS, which is kept for as long as the process runs, and made again whenever it breaks.

use std::time::Duration;

use anyhow::Context as _;
use async_nats::connection::State;
use async_nats::jetstream;
use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event, ServerAddr};
use percent_encoding::percent_decode_str;
use tokio_util::sync::CancellationToken;

use crate::replication_settings::ReplicationSettings;

/// How long one request to NATS may take. An election of a new leader of a stream takes 4 to 10 s, so a request that
/// waits longer is better sent again.
pub const REQUEST_WITHIN: Duration = Duration::from_secs(5);

/// How often the server must answer. One that does not answer two in a row is left for another one: a machine that has lost
/// its power closes no connection.
const PING_EVERY: Duration = Duration::from_secs(2);

/// The longest pause between two attempts to connect: a server that is back is found within a second.
const RECONNECT_MAX: Duration = Duration::from_secs(1);

/// How often it is logged that there is still no connection at the start.
const LOG_EVERY: u32 = 30;

/// A connection to NATS. Cheap to clone: clones share it.
#[derive(Debug, Clone)]
pub struct Nats {
    /// The client.
    pub client: Client,
    /// JetStream over it.
    pub jetstream: jetstream::Context,
}

impl Nats {
    /// Connects, and waits for a server until drained. Wrong credentials and unusable files are errors at once.
    pub async fn connect(settings: &ReplicationSettings, drain: &CancellationToken) -> anyhow::Result<Self> {
        let servers = settings.nats_url.iter().cloned().map(ServerAddr::from_url).collect::<Result<Vec<_>, _>>();
        let (servers, shown) = (servers.context("read SITIO_NATS_URL")?, settings.servers());
        let mut attempts = 0;
        loop {
            match options(settings).await?.connect(&servers[..]).await {
                Ok(client) => return Ok(Self::over(client)),
                Err(error)
                    if matches!(error.kind(), ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation) =>
                {
                    anyhow::bail!(
                        "NATS at {shown} refuses this control plane ({error}): check the user and the password in SITIO_NATS_URL, \
                         or SITIO_NATS_CREDENTIALS_FILE"
                    );
                }
                Err(error) if attempts % LOG_EVERY == 0 => {
                    tracing::warn!(%error, "cannot connect to NATS at {shown} (SITIO_NATS_URL); retrying");
                }
                Err(_) => {}
            }
            attempts += 1;
            tokio::select! {
                () = tokio::time::sleep(RECONNECT_MAX) => {}
                () = drain.cancelled() => anyhow::bail!("stopped before NATS at {shown} could be reached"),
            }
        }
    }

    fn over(client: Client) -> Self {
        let jetstream =
            jetstream::ContextBuilder::new().timeout(REQUEST_WITHIN).ack_timeout(REQUEST_WITHIN).build(client.clone());
        Self { client, jetstream }
    }

    /// Whether a server is connected now.
    pub fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }
}

async fn options(settings: &ReplicationSettings) -> anyhow::Result<ConnectOptions> {
    let mut options = ConnectOptions::new()
        .name("sitio-control-plane")
        .ping_interval(PING_EVERY)
        .request_timeout(Some(REQUEST_WITHIN))
        .reconnect_delay_callback(|attempts| Duration::from_millis(50 << attempts.min(5)).min(RECONNECT_MAX))
        .event_callback(log);
    if let Some(url) = settings.nats_url.iter().find(|url| !url.username().is_empty() || url.password().is_some()) {
        options = match (decoded(url.username())?, url.password()) {
            (user, Some(password)) => options.user_and_password(user, decoded(password)?),
            // A name without a password is a token.
            (token, None) => options.token(token),
        };
    }
    if let Some(file) = &settings.nats_credentials_file {
        let read = options.credentials_file(file).await;
        options = read.with_context(|| format!("read {} (SITIO_NATS_CREDENTIALS_FILE)", file.display()))?;
    }
    if let Some(file) = &settings.nats_ca_file {
        std::fs::metadata(file).with_context(|| format!("read {} (SITIO_NATS_CA_FILE)", file.display()))?;
        options = options.add_root_certificates(file.clone());
    }
    Ok(options)
}

/// A part of a URL without its percent encoding.
fn decoded(part: &str) -> anyhow::Result<String> {
    let decoded = percent_decode_str(part).decode_utf8().context("read the user and the password in SITIO_NATS_URL")?;
    Ok(decoded.into_owned())
}

async fn log(event: Event) {
    match event {
        Event::Connected => tracing::info!("connected to NATS"),
        Event::Disconnected => tracing::warn!("the connection to NATS is lost; connecting again"),
        event => tracing::debug!(%event, "NATS"),
    }
}
