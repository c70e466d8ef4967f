//! Reads secrets and certificates of a channel from their files, for each delivery: a rotated secret is used at once.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::notifications::outbox::DeliveryError;

/// Bytes of such a file.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The text of a file. The error names the file and never its content.
pub(super) fn text(file: &Path, setting: &str) -> Result<String, DeliveryError> {
    let unreadable = |error| DeliveryError::Unavailable(format!("read {setting} {}: {error}", file.display()));
    let mut text = String::new();
    File::open(file).map_err(unreadable)?.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(unreadable)?;
    Ok(text)
}

/// The secret in a file: one line.
pub(super) fn line(file: &Path, setting: &str) -> Result<String, DeliveryError> {
    let text = text(file, setting)?;
    let secret = mesh::token::token(&text).map(str::to_owned);
    secret.map_err(|why| DeliveryError::Unavailable(format!("{setting} {}: {why}", file.display())))
}
