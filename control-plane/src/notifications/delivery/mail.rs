//! Delivers a message as a mail of plain text.

use std::time::Duration;

use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};

use crate::notifications::delivery::secret;
use crate::notifications::message::Message;
use crate::notifications::outbox::DeliveryError;
use crate::notifications::settings::{MailSettings, MailTls};

/// The time beyond the timeout of one command for all commands together.
const COMMANDS: u32 = 3;

/// Sends a message, and returns what the server answered.
pub(super) async fn send(mail: &MailSettings, message: &Message) -> Result<String, DeliveryError> {
    let transport = transport(mail)?;
    let letter = letter(mail, message)?;
    let sending = transport.send(letter);
    let Ok(sent) = tokio::time::timeout(mail.timeout.saturating_mul(COMMANDS), sending).await else {
        return Err(DeliveryError::Unavailable(format!("{} did not answer in time", mail.host)));
    };
    match sent {
        Ok(answer) => Ok(format!("{} {}", answer.code(), answer.first_line().unwrap_or_default())),
        Err(error) => {
            let is_final = error.is_permanent();
            let why = format!("{}: {}", mail.host, causes(&anyhow::Error::new(error)));
            Err(if is_final { DeliveryError::Refused(why) } else { DeliveryError::Unavailable(why) })
        }
    }
}

fn transport(mail: &MailSettings) -> Result<AsyncSmtpTransport<Tokio1Executor>, DeliveryError> {
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
