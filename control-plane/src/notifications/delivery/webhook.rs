//! Delivers a message as a POST request, signed by the scheme of Standard Webhooks (standardwebhooks.com).
//!
//! A signed request has `webhook-id`, `webhook-timestamp` in seconds, and `webhook-signature`: `v1,` and the base64 of the
//! HMAC-SHA256 of `{id}.{timestamp}.{body}`. A receiver that checks the time refuses a request that is sent again.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mesh::visible::one_line;
use reqwest::{Certificate, Client, StatusCode};
use ring::hmac;
use serde_json::json;

use crate::clock::now_ms;
use crate::notifications::delivery::secret;
use crate::notifications::message::Message;
use crate::notifications::outbox::DeliveryError;
use crate::notifications::settings::address::WebhookUrl;
use crate::notifications::settings::channel::{WebhookFormat, WebhookSettings};

/// Bytes of an answer that are read: its first line is shown.
const ANSWER_BYTES_MAX: usize = 4096;

/// Letters of an answer that are shown.
const ANSWER_CHARS_MAX: usize = 200;

/// Bytes of a key at least (Standard Webhooks, "Symmetric signatures").
const KEY_BYTES_MIN: usize = 24;

/// Sends a message, and returns status and first line of the answer.
pub(super) async fn post(webhook: &WebhookSettings, message: &Message) -> Result<String, DeliveryError> {
    let body = match webhook.format {
        WebhookFormat::Json => serde_json::to_string(&message.json),
        WebhookFormat::Slack => serde_json::to_string(&json!({ "text": slack_text(message) })),
    };
    let body = body.expect("a message is made of texts and numbers");
    let url = address(webhook)?;
    let mut request = client(webhook, &url)?.post(url.url().clone()).header("content-type", "application/json");
    if let Some(file) = &webhook.token_file {
        request = request.bearer_auth(secret::line(file, "token_file")?);
    }
    if let Some(file) = &webhook.secret_file {
        let timestamp = (now_ms() / 1000).to_string();
        let signature = signature(&key(&secret::line(file, "secret_file")?)?, &message.id, &timestamp, &body);
        request = request.header("webhook-timestamp", timestamp).header("webhook-signature", signature);
    }
    let answer = request.header("webhook-id", &message.id).body(body).send().await;
    let mut answer = answer.map_err(|error| DeliveryError::Unavailable(unreachable(error)))?;
    let status = answer.status();
    let mut bytes = Vec::new();
    // What follows the status does not decide anything, so an answer that breaks off is an answer.
    while let Ok(Some(chunk)) = answer.chunk().await {
        bytes.extend_from_slice(&chunk[..chunk.len().min(ANSWER_BYTES_MAX - bytes.len())]);
        if bytes.len() >= ANSWER_BYTES_MAX {
            break;
        }
    }
    let text = String::from_utf8_lossy(&bytes);
    let line: String = text.lines().next().unwrap_or_default().chars().take(ANSWER_CHARS_MAX).collect();
    let answer = format!("{status} {}", one_line(&line)).trim_end().to_owned();
    match status {
        status if status.is_success() => Ok(answer),
        // These are about the way to the receiver and not about the message: a secret that is being rotated, a receiver
        // that is being deployed.
        StatusCode::UNAUTHORIZED
        | StatusCode::FORBIDDEN
        | StatusCode::NOT_FOUND
        | StatusCode::PROXY_AUTHENTICATION_REQUIRED
        | StatusCode::REQUEST_TIMEOUT
        | StatusCode::TOO_EARLY
        | StatusCode::TOO_MANY_REQUESTS => Err(DeliveryError::Unavailable(format!("the receiver answered {answer}"))),
        status if status.is_client_error() => Err(DeliveryError::Refused(format!("the receiver answered {answer}"))),
        status if status.is_redirection() => {
            Err(DeliveryError::Refused(format!("the receiver answered {answer}, and redirects are not followed")))
        }
        _ => Err(DeliveryError::Unavailable(format!("the receiver answered {answer}"))),
    }
}

fn address(webhook: &WebhookSettings) -> Result<WebhookUrl, DeliveryError> {
    match (&webhook.url, &webhook.url_file) {
        (Some(url), _) => Ok(url.clone()),
        (None, Some(file)) => {
            let text = secret::line(file, "url_file")?;
            let url = WebhookUrl::from_text(&text);
            url.map_err(|why| DeliveryError::Unavailable(format!("url_file {}: {why}", file.display())))
        }
        (None, None) => Err(DeliveryError::Refused("it has no url".to_owned())),
    }
}

/// A client for one request: messages are rare, and a renewed authority is used at once.
fn client(webhook: &WebhookSettings, url: &WebhookUrl) -> Result<Client, DeliveryError> {
    // It fails only if another part of the program has chosen ring already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = Client::builder().timeout(webhook.timeout).redirect(reqwest::redirect::Policy::none());
    let builder = match &webhook.ca_file {
        Some(file) => {
            let bundle = Certificate::from_pem_bundle(secret::text(file, "ca_file")?.as_bytes());
            let certificates = bundle.ok().filter(|certificates| !certificates.is_empty());
            let none = || DeliveryError::Unavailable(format!("ca_file {} has no certificate in PEM", file.display()));
            builder.tls_certs_only(certificates.ok_or_else(none)?)
        }
        None if url.url().scheme() == "http" => builder.tls_certs_only([]),
        None => builder,
    };
    builder.build().map_err(|error| DeliveryError::Unavailable(unreachable(error)))
}

/// The key in `whsec_…`.
fn key(secret: &str) -> Result<hmac::Key, DeliveryError> {
    let bytes = secret.strip_prefix("whsec_").and_then(|base64| STANDARD.decode(base64).ok());
    let bytes = bytes.filter(|bytes| bytes.len() >= KEY_BYTES_MIN);
    let why = "secret_file must have whsec_ and at least 24 bytes as base64: echo whsec_$(openssl rand -base64 32)";
    let bytes = bytes.ok_or_else(|| DeliveryError::Unavailable(why.to_owned()))?;
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

fn signature(key: &hmac::Key, id: &str, timestamp: &str, body: &str) -> String {
    let tag = hmac::sign(key, format!("{id}.{timestamp}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(tag.as_ref()))
}

/// Why there is no answer, without the address, which may be a secret.
fn unreachable(error: reqwest::Error) -> String {
    let timed_out = if error.is_timeout() { "the receiver did not answer in time" } else { "the receiver cannot be reached" };
    let error = anyhow::Error::new(error.without_url());
    let causes: Vec<String> = error.chain().skip(1).map(ToString::to_string).collect();
    if causes.is_empty() { timed_out.to_owned() } else { format!("{timed_out}: {}", causes.join(": ")) }
}

/// The message in Slack's markup. What comes from other machines stands in code, where nothing is markup, and `&<>` are
/// escaped (Slack, "Formatting text for app surfaces"): no link, no mention, no formatting.
fn slack_text(message: &Message) -> String {
    let code = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('`', "'");
    format!("`{}`\n```\n{}```", code(&message.subject), code(&message.text))
}

#[cfg(test)]
mod tests;
