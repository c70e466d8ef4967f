//! A CA of the control plane's own, whose key never leaves its data folder.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::data_folder::write_private;

/// The file with the key.
const KEY_FILE: &str = "ca.key";

/// The file with the certificate, for sidecars that do not get it from Kubernetes.
pub const CA_FILE: &str = "ca.crt";

/// How long the CA's certificate is valid. It is made anew at each start, and a copy of any age verifies what the key
/// has signed.
const CA_LASTS: SignedDuration = SignedDuration::from_hours(10 * 365 * 24);

/// How long a certificate is valid.
const LASTS: SignedDuration = SignedDuration::from_hours(90 * 24);

/// The age at which a certificate is renewed: two months before its end.
pub const RENEW_AFTER: Duration = Duration::from_secs(30 * 24 * 3600);

/// How long before it was made a certificate begins to be valid. Clocks of pods are wrong by up to a month.
const BACKDATED: SignedDuration = SignedDuration::from_hours(365 * 24);

/// A CA that signs the control plane's certificates.
pub struct OwnCa {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

impl OwnCa {
    /// Reads the key in this folder, or makes one.
    pub fn open(folder: &Path) -> anyhow::Result<Self> {
        let key = KeyPair::from_pem(&Self::key(folder)?)?;
        let params = params()?;
        let certificate = params.self_signed(&key)?.pem();
        let public = folder.join(CA_FILE);
        write_private(&public, certificate.as_bytes()).with_context(|| format!("write {}", public.display()))?;
        Ok(Self { issuer: Issuer::new(params, key), certificate })
    }

    /// Whether there is a key in this folder.
    pub fn has_key(folder: &Path) -> bool {
        folder.join(KEY_FILE).exists()
    }

    /// The key in this folder, in PEM; makes one if there is none.
    pub fn key(folder: &Path) -> anyhow::Result<String> {
        let file = folder.join(KEY_FILE);
        match std::fs::read_to_string(&file) {
            Ok(pem) => {
                KeyPair::from_pem(&pem).with_context(|| {
                    format!("{} holds no private key: put it back from a backup, or delete it for a new CA", file.display())
                })?;
                Ok(pem)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let pem = KeyPair::generate()?.serialize_pem();
                write_private(&file, pem.as_bytes()).with_context(|| format!("write {}", file.display()))?;
                Ok(pem)
            }
            Err(error) => Err(error).with_context(|| format!("read {}", file.display())),
        }
    }

    /// Replaces the key in this folder, if it is another one.
    pub fn put_key(folder: &Path, pem: &str) -> anyhow::Result<()> {
        let file = folder.join(KEY_FILE);
        if std::fs::read_to_string(&file).is_ok_and(|known| known == pem) {
            return Ok(());
        }
        write_private(&file, pem.as_bytes()).with_context(|| format!("write {}", file.display()))
    }

    /// The CA's certificate, in PEM.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// A new certificate for these DNS names and IP addresses, and its key.
    pub(super) fn issue(&self, names: &[String]) -> anyhow::Result<(CertificateDer<'static>, PrivateKeyDer<'static>)> {
        let mut params = CertificateParams::new(names).with_context(|| format!("make a certificate for {}", names.join(", ")))?;
        params.distinguished_name = named("Sitio control plane");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        valid_for(&mut params, LASTS)?;
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok((certificate.into(), PrivateKeyDer::try_from(key.serialize_der()).map_err(anyhow::Error::msg)?))
    }
}

fn params() -> anyhow::Result<CertificateParams> {
    let mut params = CertificateParams::default();
    params.distinguished_name = named("Sitio CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    valid_for(&mut params, CA_LASTS)?;
    Ok(params)
}

fn named(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

fn valid_for(params: &mut CertificateParams, lasts: SignedDuration) -> anyhow::Result<()> {
    let now = Timestamp::now();
    let day = |moment: Timestamp| {
        let day = moment.to_zoned(TimeZone::UTC).date();
        date_time_ymd(day.year().into(), day.month() as u8, day.day() as u8)
    };
    params.not_before = day(now.checked_sub(BACKDATED)?);
    params.not_after = day(now.checked_add(lasts)?);
    Ok(())
}
