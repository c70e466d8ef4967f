//! A channel of the notifications file: where its messages go, and how.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use crate::notifications::settings::address::{MailAddress, WebhookUrl};
use crate::notifications::settings::time::time;

/// Addresses that one mail goes to.
const RECIPIENTS_MAX: usize = 50;

/// Bytes of a channel's name, as it stands in metrics.
const NAME_BYTES_MAX: usize = 64;

/// Messages of a channel in an hour. A person reads no more, and the rest follows as one summary.
const PER_HOUR_MAX: u32 = 30;

/// The time for one attempt to deliver. Receivers answer within a second; a slow one delays only its own channel.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(10);

/// A way to people.
#[derive(Debug, Deserialize)]
#[serde(try_from = "ChannelYaml")]
pub struct NotificationChannel {
    /// Its name.
    pub name: ChannelName,
    /// The most messages in an hour.
    pub per_hour_max: u32,
    /// How messages are delivered.
    pub transport: Transport,
}

/// How messages are delivered.
#[derive(Debug)]
pub enum Transport {
    /// As a POST request.
    Webhook(WebhookSettings),
    /// As a mail.
    Mail(MailSettings),
}

impl Transport {
    /// Its name in the file and in the API.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Webhook(_) => "webhook",
            Self::Mail(_) => "mail",
        }
    }
}

/// A receiver of POST requests.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookSettings {
    /// The address. It may be a secret, as it is for Slack.
    pub url: Option<WebhookUrl>,
    /// A file with the address.
    pub url_file: Option<PathBuf>,
    /// The shape of the body.
    #[serde(default)]
    pub format: WebhookFormat,
    /// A file with the secret that signs requests: `whsec_` and the key as base64.
    pub secret_file: Option<PathBuf>,
    /// A file with a bearer token for the receiver.
    pub token_file: Option<PathBuf>,
    /// A file with the authorities that sign the receiver's certificate; those of the system if it is absent.
    pub ca_file: Option<PathBuf>,
    /// The time for one attempt.
    #[serde(default = "delivery_timeout", deserialize_with = "time")]
    pub timeout: Duration,
}

/// The shape of a webhook's body.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WebhookFormat {
    /// The schema of the documentation.
    #[default]
    Json,
    /// A text, as incoming webhooks of Slack, Mattermost and Rocket.Chat take it.
    Slack,
}

/// A mail server.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailSettings {
    /// Its host.
    pub host: String,
    /// Its port; that of the protection if it is absent.
    pub port: Option<u16>,
    /// How the connection is protected.
    #[serde(default)]
    pub tls: MailTls,
    /// The user to sign in as.
    pub user: Option<String>,
    /// A file with the password.
    pub password_file: Option<PathBuf>,
    /// A file with the authorities that sign the server's certificate; those of the system if it is absent.
    pub ca_file: Option<PathBuf>,
    /// The sender.
    pub from: MailAddress,
    /// The recipients.
    pub to: Vec<MailAddress>,
    /// The time for one attempt.
    #[serde(default = "delivery_timeout", deserialize_with = "time")]
    pub timeout: Duration,
}

/// How the connection to a mail server is protected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailTls {
    /// By STARTTLS, which the server must offer (RFC 3207); port 587.
    #[default]
    Starttls,
    /// From the first byte on (RFC 8314); port 465.
    Implicit,
    /// Not at all: on this machine only; port 25.
    None,
}

/// The name of a channel.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelName(String);

impl ChannelName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChannelYaml {
    name: ChannelName,
    per_hour_max: Option<NonZeroU32>,
    webhook: Option<WebhookSettings>,
    mail: Option<MailSettings>,
}

impl TryFrom<ChannelYaml> for NotificationChannel {
    type Error = String;

    fn try_from(yaml: ChannelYaml) -> Result<Self, String> {
        let transport = match (yaml.webhook, yaml.mail) {
            (Some(webhook), None) => webhook.check().map(|()| Transport::Webhook(webhook)),
            (None, Some(mail)) => mail.check().map(|()| Transport::Mail(mail)),
            _ => Err("it needs one of webhook and mail".to_owned()),
        };
        let transport = transport.map_err(|why| format!("the channel {}: {why}", yaml.name.as_str()))?;
        Ok(Self { name: yaml.name, per_hour_max: yaml.per_hour_max.map_or(PER_HOUR_MAX, NonZeroU32::get), transport })
    }
}

impl WebhookSettings {
    fn check(&self) -> Result<(), String> {
        if self.url.is_some() == self.url_file.is_some() {
            return Err("it needs one of url and url_file".to_owned());
        }
        Ok(())
    }
}

impl MailSettings {
    fn check(&self) -> Result<(), String> {
        if self.to.is_empty() || self.to.len() > RECIPIENTS_MAX {
            return Err(format!("to must have 1 to {RECIPIENTS_MAX} addresses"));
        }
        if self.user.is_some() != self.password_file.is_some() {
            return Err("user and password_file belong together".to_owned());
        }
        if self.tls == MailTls::None && !decorators::provider_url::is_loopback_name(&self.host) {
            return Err(format!(
                "tls: none is for a server on this machine, and {} is elsewhere: use starttls or implicit",
                self.host
            ));
        }
        Ok(())
    }
}

fn delivery_timeout() -> Duration {
    DELIVERY_TIMEOUT
}

impl<'de> Deserialize<'de> for ChannelName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-._".contains(letter);
        let why = || format!("{name:?} is no name of a channel: use 1 to {NAME_BYTES_MAX} letters, digits and -._");
        let is_name = !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.chars().all(is_plain);
        if is_name { Ok(Self(name)) } else { Err(serde::de::Error::custom(why())) }
    }
}
