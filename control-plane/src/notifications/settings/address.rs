//! Addresses of receivers: URLs and mailboxes, checked when the file is read.

use lettre::message::Mailbox;
use reqwest::Url;
use serde::{Deserialize, Deserializer};

/// The address of a webhook. It is not shown, because it may be a secret.
#[derive(Clone)]
pub struct WebhookUrl(Url);

impl WebhookUrl {
    /// Checks an address of the file, or of a file that it names.
    pub fn from_text(text: &str) -> Result<Self, String> {
        let url: Url = text.trim().parse().map_err(|error| format!("the address is no URL: {error}"))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err("the address must begin with https:// or http://".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("the address must not have a user or a password: use token_file".to_owned());
        }
        Ok(Self(url))
    }

    /// The address.
    pub fn url(&self) -> &Url {
        &self.0
    }
}

impl std::fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.host_str().unwrap_or_default())
    }
}

impl<'de> Deserialize<'de> for WebhookUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_text(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// A mailbox such as `Sitio <sitio@shop.example>`.
#[derive(Debug, Clone)]
pub struct MailAddress(pub Mailbox);

impl<'de> Deserialize<'de> for MailAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mailbox = text.parse().map(Self);
        mailbox.map_err(|error| serde::de::Error::custom(format!("{text:?} is no mail address: {error}")))
    }
}
