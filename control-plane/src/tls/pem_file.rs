//! Reads certificates from a file in PEM.

use std::path::Path;

use anyhow::ensure;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// The certificates of a file, at least one.
pub(super) fn certificates(file: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let certificates = CertificateDer::pem_file_iter(file)?.collect::<Result<Vec<_>, _>>()?;
    ensure!(!certificates.is_empty(), "the file holds no certificate");
    Ok(certificates)
}
