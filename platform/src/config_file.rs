//! Reads a file of settings, which may be a mount of Kubernetes.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Bytes of such a file: as much as a ConfigMap or a Secret of Kubernetes holds.
pub const FILE_BYTES_MAX: u64 = 1 << 20;

/// The text of the file. The error says what happened, and the caller names the file and its setting. It does file I/O, so it
/// may block.
pub fn read(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("it is larger than {} KiB", FILE_BYTES_MAX >> 10));
    }
    Ok(text)
}
