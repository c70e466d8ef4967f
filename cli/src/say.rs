//! Writes to standard output and beside it, and leaves in peace when nobody reads any more.

use std::io::{self, ErrorKind, Write, stderr, stdout};

use anyhow::Context;

/// Whoever read the output has left, as in `sitio tap | head`: there is nothing more to do, and nothing wrong.
#[derive(Debug, thiserror::Error)]
#[error("the reader of the output is gone")]
pub(crate) struct NobodyReads;

/// Writes these words as they are.
pub(crate) fn say(words: &str) -> anyhow::Result<()> {
    let written = |output: &mut io::StdoutLock<'_>| output.write_all(words.as_bytes()).and_then(|()| output.flush());
    match written(&mut stdout().lock()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(NobodyReads.into()),
        written => written.context("write to standard output"),
    }
}

/// Writes a line to standard error. Nobody can be told that nobody reads that, as in `sitio tap 2>&1 | head`.
pub(crate) fn beside(line: &str) {
    let _ = stderr().lock().write_all(format!("{line}\n").as_bytes());
}
