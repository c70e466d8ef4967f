//! The notifications file: what is watched, the channels that messages go to, and which message goes where.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use crate::model::notice::{NoticeCondition, NoticeSubject};
use crate::notifications::evidence::FailingLimit;
use crate::notifications::settings::channel::{ChannelName, NotificationChannel};
use crate::notifications::settings::matcher::{Patterns, SubjectMatcher};
use crate::notifications::settings::time::some_time;
use crate::notifications::timing::NoticeTiming;

pub mod address;
pub mod channel;
pub mod matcher;
mod time;

/// Channels of a file: each has a task of its own while it delivers.
const CHANNELS_MAX: usize = 32;

/// Routes, and entries of `ignore`. Each is compared with each notice.
const ROUTES_MAX: usize = 200;

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

#[cfg(test)]
mod tests;
