//! A wrong wall clock for a real program, adjustable while it runs, by libfaketime.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::sidecar::SidecarBuilder;

/// The path of the library below the distribution's library folder.
const LIBRARY: &str = "faketime/libfaketimeMT.so.1";

/// The wall clock of one program.
pub struct Clock {
    folder: TempDir,
}

impl Clock {
    /// A clock with a different time: an offset such as `+10m` or `-30d`, or a start such as `@1970-01-01 00:00:05`.
    #[track_caller]
    pub fn at(time: &str) -> Self {
        let clock = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        clock.set(time);
        clock
    }

    /// Sets the clock while the program runs.
    #[track_caller]
    pub fn set(&self, time: &str) {
        // Replaced atomically: the library may read the file at any time.
        let new = self.folder.path().join("new");
        fs::write(&new, format!("{time}\n")).expect("a temporary folder can be written to");
        fs::rename(new, self.file()).expect("a file can be renamed within its folder");
    }

    /// Runs the program with this clock. The monotonic clock stays right, as when an operator sets a machine's wall
    /// clock.
    #[must_use]
    #[track_caller]
    pub fn under(&self, plan: SidecarBuilder) -> SidecarBuilder {
        let plan = plan.with("LD_PRELOAD", &library().to_string_lossy()).with("DONT_FAKE_MONOTONIC", "1");
        plan.with("FAKETIME_TIMESTAMP_FILE", &self.file().to_string_lossy()).with("FAKETIME_NO_CACHE", "1")
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("clock")
    }
}

#[track_caller]
fn library() -> PathBuf {
    let folders = ["/usr/lib", "/usr/lib64", "/lib"];
    let below = folders.iter().flat_map(fs::read_dir).flatten().flatten().map(|entry| entry.path());
    let found =
        folders.iter().map(PathBuf::from).chain(below).map(|folder| folder.join(LIBRARY)).find(|path| Path::is_file(path));
    found.unwrap_or_else(|| panic!("{LIBRARY} is in none of {folders:?}: run `tests/install` (Debian: libfaketime)"))
}
