//! Reads how long each part of an exchange may take.

use clap::Args;

use crate::config::settings::{EnvSettings, Wrong};
use crate::config::values;
use crate::timeouts::Timeouts;

/// The flags of the timeouts.
#[derive(Debug, Default, Args)]
#[expect(clippy::struct_field_names, reason = "they are the names of the flags")]
pub(super) struct TimeoutFlags {
    /// How long the service may take to accept a connection [env: SITIO_CONNECT_TIMEOUT] [default: 1s]
    #[arg(long, value_name = "DURATION")]
    connect_timeout: Option<String>,
    /// How long a request's head may take to arrive [env: SITIO_HEAD_TIMEOUT] [default: 10s]
    #[arg(long, value_name = "DURATION")]
    head_timeout: Option<String>,
    /// How long a connection may be idle between requests; longer if the service's Keep-Alive says so [env: SITIO_IDLE_TIMEOUT] [default: 75s]
    #[arg(long, value_name = "DURATION")]
    idle_timeout: Option<String>,
    /// How long a request's body may pause, or off [env: SITIO_BODY_TIMEOUT] [default: 60s]
    #[arg(long, value_name = "DURATION")]
    body_timeout: Option<String>,
    /// How long the service may take to begin an answer, or off [env: SITIO_ANSWER_TIMEOUT] [default: off]
    #[arg(long, value_name = "DURATION")]
    answer_timeout: Option<String>,
    /// How long a whole exchange may take, or off [env: SITIO_EXCHANGE_TIMEOUT] [default: off]
    #[arg(long, value_name = "DURATION")]
    exchange_timeout: Option<String>,
    /// How long an upgraded connection, or one that is not HTTP, may be silent, or off [env: SITIO_TUNNEL_TIMEOUT] [default: off]
    #[arg(long, value_name = "DURATION")]
    tunnel_timeout: Option<String>,
    /// The same once one of its sides has finished [env: SITIO_HALF_CLOSED_TIMEOUT] [default: 5m]
    #[arg(long, value_name = "DURATION")]
    half_closed_timeout: Option<String>,
}

impl TimeoutFlags {
    /// Returns the timeouts, with defaults where nothing is set.
    pub(super) fn check(self, settings: &mut EnvSettings) -> Result<Timeouts, Wrong> {
        let usual = Timeouts::default();
        Ok(Timeouts {
            connect: settings.duration(self.connect_timeout, "SITIO_CONNECT_TIMEOUT", usual.connect)?,
            head: settings.duration(self.head_timeout, "SITIO_HEAD_TIMEOUT", usual.head)?,
            idle: settings.duration(self.idle_timeout, "SITIO_IDLE_TIMEOUT", usual.idle)?,
            body: settings.value(self.body_timeout, &["SITIO_BODY_TIMEOUT"]).parse(values::limit)?.unwrap_or(usual.body),
            answer: settings.value(self.answer_timeout, &["SITIO_ANSWER_TIMEOUT"]).parse(values::limit)?.flatten(),
            exchange: settings.value(self.exchange_timeout, &["SITIO_EXCHANGE_TIMEOUT"]).parse(values::limit)?.flatten(),
            tunnel: settings.value(self.tunnel_timeout, &["SITIO_TUNNEL_TIMEOUT"]).parse(values::limit)?.flatten(),
            half_closed: settings.duration(self.half_closed_timeout, "SITIO_HALF_CLOSED_TIMEOUT", usual.half_closed)?,
        })
    }
}
