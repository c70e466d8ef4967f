//! Writes to standard output and standard error; a closed pipe is not an error.

use std::io::{self, ErrorKind, Write, stderr, stdout};

use anyhow::Context;

/// The reader of the output has closed it, as in `sitio tap | head`: the command ends without an error.
#[derive(Debug, thiserror::Error)]
#[error("the reader of the output is gone")]
pub(crate) struct NobodyReads;

/// Writes text to standard output as it is.
pub(crate) fn say(words: &str) -> anyhow::Result<()> {
    let written = |output: &mut io::StdoutLock<'_>| output.write_all(words.as_bytes()).and_then(|()| output.flush());
    match written(&mut stdout().lock()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(NobodyReads.into()),
        written => written.context("write to standard output"),
    }
}

/// Writes a line to standard error. Ignores a closed one (`sitio tap 2>&1 | head`), because there is no other place to
/// report it.
pub(crate) fn beside(line: &str) {
    let _ = stderr().lock().write_all(format!("{line}\n").as_bytes());
}
