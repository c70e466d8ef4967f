//! Mails arrive at a real server: with STARTTLS and a password, and without markup from hostile names.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::ensure;
use scenario::cli::{client_command, run};
use scenario::control_plane::ControlPlane;
use scenario::eventually::eventually;
use scenario::process::Process;
use scenario::python_file_server::PythonFileServer;
use scenario::reserved_port::ReservedPort;
use serde_json::Value;

use crate::file::NotificationsFile;
use crate::{CALM, three_sidecars};

/// Python's aiosmtpd.
struct MailServer {
    process: Process,
    port: ReservedPort,
}

impl MailServer {
    fn start(certificate: &Certificate, mode: &[&str]) -> Self {
        let port = ReservedPort::reserve();
        let tests = env!("CARGO_MANIFEST_DIR");
        let mut command = Command::new("python3");
        command.env("PYTHONPATH", format!("{tests}/tools/python")).arg(format!("{tests}/services/smtp_sink.py"));
        command.arg(port.port.to_string()).args([&certificate.file, &certificate.key]).args(mode);
        let mut process = Process::start(command);
        process.line("that it listens: tests/install installs aiosmtpd", |line| (line == "listening").then_some(()));
        Self { process, port }
    }

    fn mails(&self) -> Vec<Value> {
        let lines = self.process.stdout();
        lines.iter().filter_map(|line| serde_json::from_str(line.strip_prefix("mail ")?).ok()).collect()
    }
}

/// A certificate of `localhost` and files beside it.
struct Certificate {
    folder: tempfile::TempDir,
    file: PathBuf,
    key: PathBuf,
}

impl Certificate {
    fn make() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let signed = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let (file, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
        std::fs::write(&file, signed.cert.pem()).unwrap();
        std::fs::write(&key, signed.signing_key.serialize_pem()).unwrap();
        Self { folder, file, key }
    }

    /// Another file in its folder.
    fn beside(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

/// A channel to a server on this machine, with further fields.
fn channel(server: &MailServer, certificate: &Certificate, password: &Path, more: &str) -> String {
    format!(
        "{{ name: mail, mail: {{ host: localhost, port: {}, user: sitio, password_file: {}, ca_file: {}, from: \"Sitio <sitio@shop.example>\", to: [ops@shop.example, \"Anna <anna@shop.example>\"]{more} }} }}",
        server.port.port,
        password.display(),
        certificate.file.display()
    )
}

#[test]
fn a_mail_goes_out_by_starttls_with_a_password_and_a_hostile_name_adds_no_field() {
    let certificate = Certificate::make();
    let password = certificate.beside("password", "pass-word\n");
    let server = MailServer::start(&certificate, &[]);
    let channel = |password: &Path| channel(&server, &certificate, password, "");
    let notifications = NotificationsFile::quick(&channel(&password));
    let control_plane = ControlPlane::with(&[("SITIO_NOTIFICATIONS_FILE", notifications.path())]);
    let mut service = PythonFileServer::start();
    let hostile = "legacy\u{202e}x größe";
    let sidecars = three_sidecars(&control_plane, service.port(), "shop", hostile);

    service.crash();
    assert_eq!(sidecars[0].get("/a%0d%0aBcc:%20victim@example.com").status(), 502);
    let mails = eventually(CALM, || {
        ensure!(server.mails().len() == 1, "{:?}", server.process.stdout());
        Ok(server.mails())
    });
    let (mail, data) = (&mails[0], mails[0]["data"].as_str().unwrap());
    assert_eq!((&mail["tls"], &mail["user"]), (&true.into(), &"sitio".into()));
    assert_eq!(mail["to"], serde_json::json!(["ops@shop.example", "anna@shop.example"]));
    let head = data.split("\r\n\r\n").next().unwrap();
    assert!(head.contains("From: Sitio <sitio@shop.example>") && !head.contains("Bcc:"), "{head}");
    assert!(head.contains("Subject: ") && head.is_ascii(), "{head}");

    // A wrong password is reported, and the mail stays in the queue.
    notifications.write(&channel(&certificate.beside("wrong", "letmein\n")));
    let test = || run(client_command(control_plane.http_port, &["notifications", "--test", "mail"]));
    let why = eventually(CALM, || {
        let output = test();
        ensure!(output.code != Some(0), "{output:?}");
        Ok(format!("{}{}", output.out, output.err))
    });
    assert!(why.contains("localhost") && why.contains("535") && !why.contains("letmein"), "{why}");
    notifications.write(&channel(&password));
    let answer = eventually(CALM, || {
        let output = test();
        ensure!(output.code == Some(0), "{output:?}");
        Ok(output.out)
    });
    assert!(answer.contains("250 kept"), "{answer}");
}

#[test]
fn a_mail_goes_out_by_tls_from_the_first_byte() {
    let certificate = Certificate::make();
    let password = certificate.beside("password", "pass-word\n");
    let server = MailServer::start(&certificate, &["implicit"]);
    let notifications = NotificationsFile::quick(&channel(&server, &certificate, &password, ", tls: implicit"));
    let control_plane = ControlPlane::with(&[("SITIO_NOTIFICATIONS_FILE", notifications.path())]);

    let output = run(client_command(control_plane.http_port, &["notifications", "--test", "mail"]));

    assert_eq!(output.code, Some(0), "{output:?}");
    assert!(output.out.contains("250 kept"), "{output:?}");
    assert_eq!((server.mails().len(), &server.mails()[0]["user"]), (1, &"sitio".into()));
}
