//! Tests of the certificate's renewal.

use std::fs;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use rustls::client::verify_server_name;
use rustls::pki_types::ServerName;
use rustls::server::ParsedCertificate;

use super::*;

fn shown(certificate: &ServerCertificate) -> CertificateDer<'static> {
    certificate.current.load().cert[0].clone()
}

fn is_for(certificate: &CertificateDer<'_>, name: &str) -> bool {
    let name = ServerName::try_from(name).unwrap();
    verify_server_name(&ParsedCertificate::try_from(certificate).unwrap(), &name).is_ok()
}

fn settings(names: &str, namespace: &str) -> TlsSettings {
    let names = names.split(',').map(str::to_owned).collect();
    TlsSettings { names, namespace: Some(namespace.to_owned()), ..TlsSettings::default() }
}

#[test]
fn its_own_certificate_has_all_names_of_the_service() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = shown(&settings("localhost,127.0.0.1,::1,sitio-grpc,mesh.example", "tools").open(folder.path()).unwrap());
    for name in ["localhost", "127.0.0.1", "::1", "mesh.example", "sitio-grpc", "sitio-grpc.tools", "sitio-grpc.tools.svc"] {
        assert!(is_for(&certificate, name), "{name}");
    }
    assert!(is_for(&certificate, "sitio-grpc.tools.svc.cluster.local"));
    for name in ["localhost.tools", "mesh.example.tools", "127.0.0.2", "sitio"] {
        assert!(!is_for(&certificate, name), "{name}");
    }
}

#[test]
fn its_own_certificate_is_renewed_in_time_and_its_ca_stays() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings("localhost", "");
    let certificate = settings.open(folder.path()).unwrap();
    let (first, now) = (shown(&certificate), SystemTime::now());
    certificate.renew(now + own_ca::RENEW_AFTER - Duration::from_secs(60)).unwrap();
    assert_eq!(shown(&certificate), first);
    certificate.renew(now + own_ca::RENEW_AFTER + Duration::from_secs(60)).unwrap();
    assert_ne!(shown(&certificate), first);

    let key = fs::read(folder.path().join("ca.key")).unwrap();
    let again = settings.open(folder.path()).unwrap();
    assert_eq!(fs::read(folder.path().join("ca.key")).unwrap(), key, "a restart keeps the CA");
    assert_eq!(fs::read_to_string(folder.path().join("ca.crt")).unwrap(), again.own_ca().unwrap());
}

#[test]
fn a_key_that_is_none_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("ca.key"), "nonsense").unwrap();
    let why = format!("{:#}", settings("localhost", "").open(folder.path()).unwrap_err());
    assert!(why.contains("ca.key holds no private key: put it back from a backup, or delete it for a new CA"), "{why}");
}

#[test]
fn changed_files_are_read_and_broken_ones_leave_the_last_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let (chain, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
    let write = |name: &str| {
        let made = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([name.to_owned()]).unwrap().self_signed(&made).unwrap();
        fs::write(&chain, certificate.pem()).unwrap();
        fs::write(&key, made.serialize_pem()).unwrap();
    };
    write("first.example");
    let settings = TlsSettings { cert_file: Some(chain.clone()), key_file: Some(key.clone()), ..TlsSettings::default() };
    let certificate = settings.open(folder.path()).unwrap();
    assert!(is_for(&shown(&certificate), "first.example") && certificate.own_ca().is_none());

    write("second.example");
    certificate.renew(SystemTime::now()).unwrap();
    assert!(is_for(&shown(&certificate), "second.example"));

    fs::write(&key, KeyPair::generate().unwrap().serialize_pem()).unwrap();
    let why = format!("{:#}", certificate.renew(SystemTime::now()).unwrap_err());
    assert!(why.contains("tls.crt and its key in") && why.contains("tls.key"), "{why}");
    assert!(is_for(&shown(&certificate), "second.example"), "a key of another certificate is not used");
}
