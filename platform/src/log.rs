//! A log writer that escapes invisible characters.

use std::io;

use mesh::visible::log;

/// A writer that escapes invisible characters in each line.
#[derive(Debug)]
pub struct Log<W>(pub W);

impl<W: io::Write> io::Write for Log<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match std::str::from_utf8(line) {
            Ok(text) => self.0.write_all(log(text).as_bytes())?,
            Err(_) => self.0.write_all(line)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
