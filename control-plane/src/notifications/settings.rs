//! The notifications file: what is watched, the channels that messages go to, and which message goes where.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use crate::model::notice::{NoticeCondition, NoticeSubject};
use crate::notifications::evidence::FailingLimit;
use crate::notifications::settings::address::{MailAddress, WebhookUrl};
use crate::notifications::settings::matcher::{Patterns, SubjectMatcher};
use crate::notifications::timing::NoticeTiming;

pub mod address;
pub mod matcher;

/// Channels of a file: each has a task of its own while it delivers.
const CHANNELS_MAX: usize = 32;

/// Routes, and entries of `ignore`. Each is compared with each notice.
const ROUTES_MAX: usize = 200;

/// Addresses that one mail goes to.
const RECIPIENTS_MAX: usize = 50;

/// Bytes of a channel's name, as it stands in metrics.
const NAME_BYTES_MAX: usize = 64;

/// Messages of a channel in an hour. A person reads no more, and the rest follows as one summary.
const PER_HOUR_MAX: u32 = 30;

/// The time for one attempt to deliver. Receivers answer within a second; a slow one delays only its own channel.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest time that a file may set.
const TIME_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// What the notifications file says; the default has no channel.
#[derive(Debug, Default)]
pub struct NotificationSettings {
    /// How long conditions last before and after they are reported.
    pub timing: NoticeTiming,
    /// From when on a service fails.
    pub failing: FailingLimit,
    /// The channels, in the order of the file.
    pub channels: Vec<Arc<NotificationChannel>>,
    ignored: Vec<SubjectMatcher>,
    routes: Vec<NotificationRoute>,
}

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

/// Which notices go to which channels.
#[derive(Debug, Deserialize)]
#[serde(from = "RouteYaml")]
struct NotificationRoute {
    matcher: SubjectMatcher,
    channels: Vec<ChannelName>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RouteYaml {
    namespaces: Option<Patterns>,
    services: Option<Patterns>,
    conditions: Option<Vec<NoticeCondition>>,
    channels: Vec<ChannelName>,
}

impl From<RouteYaml> for NotificationRoute {
    fn from(yaml: RouteYaml) -> Self {
        let RouteYaml { namespaces, services, conditions, channels } = yaml;
        Self { matcher: SubjectMatcher { namespaces, services, conditions }, channels }
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

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NotificationsYaml {
    #[serde(default)]
    conditions: BTreeMap<NoticeCondition, ConditionYaml>,
    #[serde(default, deserialize_with = "some_time")]
    resolve_after: Option<Duration>,
    #[serde(default, deserialize_with = "some_time")]
    repeat: Option<Duration>,
    #[serde(default)]
    ignore: Vec<SubjectMatcher>,
    #[serde(default)]
    channels: Vec<NotificationChannel>,
    #[serde(default)]
    routes: Vec<NotificationRoute>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConditionYaml {
    #[serde(default, deserialize_with = "some_time")]
    after: Option<Duration>,
    #[serde(default, deserialize_with = "some_time")]
    lasts: Option<Duration>,
    share: Option<Percent>,
    requests: Option<u64>,
}

impl NotificationSettings {
    /// The settings of a notifications file, or what is wrong with it.
    pub fn from_yaml(text: &str) -> Result<Self, String> {
        let file: NotificationsYaml = serde_norway::from_str(text).map_err(|error| error.to_string())?;
        let mut settings = Self::default();
        for (condition, yaml) in file.conditions {
            settings.set_condition(condition, &yaml)?;
        }
        let timing = &mut settings.timing;
        timing.resolve_after_ms = file.resolve_after.map_or(timing.resolve_after_ms, |time| time.as_millis() as u64);
        timing.repeat_ms = file.repeat.map_or(timing.repeat_ms, |time| time.as_millis() as u64);
        if file.channels.len() > CHANNELS_MAX || file.routes.len() > ROUTES_MAX || file.ignore.len() > ROUTES_MAX {
            return Err(format!(
                "it has more than {CHANNELS_MAX} channels, or more than {ROUTES_MAX} routes or entries of ignore"
            ));
        }
        for channel in file.channels {
            if settings.channel(channel.name.as_str()).is_some() {
                return Err(format!("the channel {} is there twice: give each its own name", channel.name.as_str()));
            }
            settings.channels.push(Arc::new(channel));
        }
        let named = file.routes.iter().flat_map(|route| &route.channels);
        if let Some(unknown) = named.into_iter().find(|name| settings.channel(name.as_str()).is_none()) {
            return Err(format!("a route names the channel {}, which is not among the channels", unknown.as_str()));
        }
        (settings.ignored, settings.routes) = (file.ignore, file.routes);
        Ok(settings)
    }

    /// The channel of this name.
    pub fn channel(&self, name: &str) -> Option<&Arc<NotificationChannel>> {
        self.channels.iter().find(|channel| channel.name.as_str() == name)
    }

    /// Whether notices about this are not made at all.
    pub fn ignores(&self, subject: &NoticeSubject) -> bool {
        self.ignored.iter().any(|matcher| matcher.matches(subject))
    }

    /// The channels that notices about this go to: those of all routes that match, or all channels if there is no route.
    pub fn channels_for(&self, subject: &NoticeSubject) -> Vec<&ChannelName> {
        let is_named = |name: &ChannelName| {
            let matching = self.routes.iter().filter(|route| route.matcher.matches(subject));
            self.routes.is_empty() || matching.flat_map(|route| &route.channels).any(|named| named == name)
        };
        self.channels.iter().map(|channel| &channel.name).filter(|name| is_named(name)).collect()
    }

    fn set_condition(&mut self, condition: NoticeCondition, yaml: &ConditionYaml) -> Result<(), String> {
        let name = condition.name();
        if let Some(after) = yaml.after {
            self.timing.set_after(condition, after);
        }
        if let Some(lasts) = yaml.lasts {
            let set = self.timing.set_lasts(condition, lasts);
            set.ok_or_else(|| format!("conditions.{name}.lasts: this condition lasts as long as it is seen"))?;
        }
        if condition != NoticeCondition::Failing && (yaml.share.is_some() || yaml.requests.is_some()) {
            return Err(format!("conditions.{name}: share and requests belong to the condition failing"));
        }
        self.failing.share = yaml.share.as_ref().map_or(self.failing.share, |share| share.0);
        self.failing.requests_min = yaml.requests.unwrap_or(self.failing.requests_min);
        Ok(())
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

/// A share such as `5%`, or `0.05`.
#[derive(Debug)]
struct Percent(f64);

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let percent = text.strip_suffix('%').and_then(|percent| percent.trim().parse::<f64>().ok());
        let percent = percent.filter(|percent| *percent > 0.0 && *percent <= 100.0);
        let why = || serde::de::Error::custom(format!("{text:?} is no share: write a percentage over 0 such as 5%"));
        percent.map(|percent| Self(percent / 100.0)).ok_or_else(why)
    }
}

fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let time = humantime::parse_duration(&text).ok().filter(|time| *time <= TIME_MAX);
    time.ok_or_else(|| serde::de::Error::custom(format!("{text:?} is no time of at most 7d: write it as 30s, 10m or 4h")))
}

fn some_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    time(deserializer).map(Some)
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

#[cfg(test)]
mod tests;
