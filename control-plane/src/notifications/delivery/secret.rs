//! Reads secrets and certificates of a channel from their files, for each delivery: a rotated secret is used at once.

use std::path::Path;

use platform::config_file;

use crate::notifications::outbox::DeliveryError;

/// The text of a file. The error names the file and never its content.
pub(super) fn text(file: &Path, setting: &str) -> Result<String, DeliveryError> {
    config_file::read(file).map_err(|why| DeliveryError::Unavailable(format!("read {setting} {}: {why}", file.display())))
}

/// The secret in a file: one line.
pub(super) fn line(file: &Path, setting: &str) -> Result<String, DeliveryError> {
    let text = text(file, setting)?;
    let secret = mesh::token::token(&text).map(str::to_owned);
    secret.map_err(|why| DeliveryError::Unavailable(format!("{setting} {}: {why}", file.display())))
}
