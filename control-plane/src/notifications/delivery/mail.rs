//! Delivers a message as a mail of plain text.

use std::time::Duration;

use lettre::address::Envelope;
use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::transport::smtp;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::transport::smtp::response::Response;
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};

use crate::notifications::delivery::secret;
use crate::notifications::message::Message;
use crate::notifications::outbox::DeliveryError;
use crate::notifications::settings::channel::{MailSettings, MailTls};

/// A connection to the server of a channel.
type SmtpTransport = AsyncSmtpTransport<Tokio1Executor>;

/// The time beyond the timeout of one command for all commands together.
const COMMANDS: u32 = 3;

/// Sends a message, and returns what the server answered.
pub(super) async fn send(mail: &MailSettings, message: &Message) -> Result<String, DeliveryError> {
    let transport = transport(mail)?;
    let letter = letter(mail, message)?;
    let sending = tokio::time::timeout(mail.timeout.saturating_mul(COMMANDS), send_letter(&transport, &letter));
    let Ok(sent) = sending.await else {
        return Err(DeliveryError::Unavailable(format!("{} did not answer in time", mail.host)));
    };
    sent.map(|answer| format!("{} {}", answer.code(), answer.first_line().unwrap_or_default())).map_err(|error| {
        let is_final = is_about_message(&error);
        let why = format!("{}: {}", mail.host, causes(&anyhow::Error::new(error)));
        if is_final { DeliveryError::Refused(why) } else { DeliveryError::Unavailable(why) }
    })
}

/// Sends the letter to all. If the server refuses it because of one address, it is sent to each address alone, and has
/// arrived if one takes it: the others must not miss a notice because one mailbox is closed.
async fn send_letter(transport: &SmtpTransport, letter: &lettre::Message) -> Result<Response, smtp::Error> {
    let refused = match transport.send(letter.clone()).await {
        Err(error) if is_about_message(&error) && letter.envelope().to().len() > 1 => error,
        sent => return sent,
    };
    let (text, mut accepted) = (letter.formatted(), Err(refused));
    for address in letter.envelope().to() {
        let Ok(envelope) = Envelope::new(letter.envelope().from().cloned(), vec![address.clone()]) else { continue };
        match transport.send_raw(&envelope, &text).await {
            Ok(answer) => accepted = Ok(answer),
            Err(error) => tracing::warn!(%address, "a notice was not mailed to one address: {error}"),
        }
    }
    accepted
}

/// Whether the server does not want this message, or this address. Refused credentials (RFC 4954, section 6) are no such case:
/// a password may be about to be replaced.
fn is_about_message(error: &smtp::Error) -> bool {
    let is_of_credentials = error.status().is_some_and(|code| ["530", "534", "535", "538"].contains(&code.to_string().as_str()));
    error.is_permanent() && !is_of_credentials
}

fn transport(mail: &MailSettings) -> Result<SmtpTransport, DeliveryError> {
    // It fails only if another part of the program has chosen ring already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (tls, port) = match mail.tls {
        MailTls::Starttls => (Tls::Required(parameters(mail)?), 587),
        MailTls::Implicit => (Tls::Wrapper(parameters(mail)?), 465),
        MailTls::None => (Tls::None, 25),
    };
    let builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&mail.host).port(mail.port.unwrap_or(port)).tls(tls);
    let builder = builder.timeout(Some(mail.timeout.max(Duration::from_secs(1))));
    Ok(match (&mail.user, &mail.password_file) {
        (Some(user), Some(file)) => {
            builder.credentials(Credentials::new(user.clone(), secret::line(file, "password_file")?)).build()
        }
        _ => builder.build(),
    })
}

fn parameters(mail: &MailSettings) -> Result<TlsParameters, DeliveryError> {
    let mut builder = TlsParameters::builder(mail.host.clone());
    if let Some(file) = &mail.ca_file {
        let none = || DeliveryError::Unavailable(format!("ca_file {} has no certificate in PEM", file.display()));
        let authority = Certificate::from_pem(secret::text(file, "ca_file")?.as_bytes()).map_err(|_| none())?;
        builder = builder.certificate_store(CertificateStore::None).add_root_certificate(authority);
    }
    builder.build().map_err(|error| DeliveryError::Unavailable(format!("{}: {error}", mail.host)))
}

/// The mail. All about one notice is one thread, and no text of another machine is in a field but the encoded subject.
fn letter(mail: &MailSettings, message: &Message) -> Result<lettre::Message, DeliveryError> {
    let domain = mail.from.0.email.domain();
    let mut builder = lettre::Message::builder().from(mail.from.0.clone()).subject(message.subject.clone());
    builder = builder.message_id(Some(format!("<{}@{domain}>", message.id)));
    if let Some(notice) = &message.notice {
        builder = builder.references(format!("<{notice}@{domain}>"));
    }
    for Mailbox { name, email } in mail.to.iter().map(|address| address.0.clone()) {
        builder = builder.to(Mailbox::new(name, email));
    }
    let letter = builder.header(ContentType::TEXT_PLAIN).body(message.text.clone());
    letter.map_err(|error| DeliveryError::Refused(format!("make the mail: {error}")))
}

fn causes(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
