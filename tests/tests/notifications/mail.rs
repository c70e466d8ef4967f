//! Mails arrive at a real server: with STARTTLS and a password, and without markup from hostile names.

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
    fn start(certificate: &[&std::path::Path]) -> Self {
        let port = ReservedPort::reserve();
        let tests = env!("CARGO_MANIFEST_DIR");
        let mut command = Command::new("python3");
        command.env("PYTHONPATH", format!("{tests}/tools/python")).arg(format!("{tests}/services/smtp_sink.py"));
        command.arg(port.port.to_string()).args(certificate);
        let mut process = Process::start(command);
        process.line("that it listens: tests/install installs aiosmtpd", |line| (line == "listening").then_some(()));
        Self { process, port }
    }

    fn mails(&self) -> Vec<Value> {
        let lines = self.process.stdout();
        lines.iter().filter_map(|line| serde_json::from_str(line.strip_prefix("mail ")?).ok()).collect()
    }
}

#[test]
fn a_mail_goes_out_by_starttls_with_a_password_and_a_hostile_name_adds_no_field() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let signed = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let certificate = file("tls.crt", &signed.cert.pem());
    let key = file("tls.key", &signed.signing_key.serialize_pem());
    let password = file("password", "pass-word\n");
    let server = MailServer::start(&[&certificate, &key]);
    let channel = |password: &std::path::Path| {
        format!(
            "{{ name: mail, mail: {{ host: localhost, port: {}, user: sitio, password_file: {}, ca_file: {}, from: \"Sitio <sitio@shop.example>\", to: [ops@shop.example, \"Anna <anna@shop.example>\"] }} }}",
            server.port.port,
            password.display(),
            certificate.display()
        )
    };
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
    notifications.write(&channel(&file("wrong", "letmein\n")));
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
