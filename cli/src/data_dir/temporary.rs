//! A temporary data folder; also removes the folders that killed processes have left.

use std::fs::{DirEntry, File, Metadata, OpenOptions, Permissions, read_dir, remove_dir_all};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use anyhow::Context;
use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::process::getuid;
use tempfile::{Builder, TempDir};

/// The prefix of the folder names.
const PREFIX: &str = "sitio-";

/// The mode of the folders: rules, audit log and keys are for the user alone.
const MODE: u32 = 0o700;

/// The lock file in each folder. The kernel releases the lock when the process ends, however it ends.
const LOCK: &str = "owner.lock";

/// The number of attempts. Another process may remove a new folder as abandoned before it is locked.
const TRIES: usize = 8;

/// A folder that is removed on drop.
#[derive(Debug)]
pub(crate) struct Temporary {
    folder: TempDir,
    _lock: File,
}

impl Temporary {
    /// Creates a folder in this machine's temporary directory.
    pub(crate) fn make() -> anyhow::Result<Self> {
        Self::make_in(&std::env::temp_dir()).context("make a temporary folder for the data")
    }

    fn make_in(parent: &Path) -> io::Result<Self> {
        remove_left_behind(parent);
        for _ in 0..TRIES {
            let folder = Builder::new().prefix(PREFIX).permissions(Permissions::from_mode(MODE)).tempdir_in(parent)?;
            let path = folder.path().join(LOCK);
            let lock = File::create(&path)?;
            if is_locked_now(&lock) && path.exists() {
                return Ok(Self { folder, _lock: lock });
            }
        }
        Err(io::Error::other("each was taken for one that was left behind"))
    }

    /// The path of the folder.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Removes the folders of killed processes. A failure only wastes disk space.
fn remove_left_behind(parent: &Path) {
    for entry in read_dir(parent).into_iter().flatten().flatten() {
        if let Some(_lock) = left_behind(&entry) {
            let _ = remove_dir_all(entry.path());
        }
    }
}

/// Locks a folder of ours that no process has locked; returns the lock.
fn left_behind(entry: &DirEntry) -> Option<File> {
    let is_named = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
    // Checks the entry itself, not a link's target: another user could have created a link to a different folder.
    let is_ours = |about: Metadata| about.is_dir() && about.uid() == getuid().as_raw();
    if !is_named || !entry.metadata().is_ok_and(is_ours) {
        return None;
    }
    let no_link = OFlags::NOFOLLOW.bits().cast_signed();
    let lock = OpenOptions::new().read(true).custom_flags(no_link).open(entry.path().join(LOCK)).ok()?;
    is_locked_now(&lock).then_some(lock)
}

fn is_locked_now(file: &File) -> bool {
    flock(file, FlockOperation::NonBlockingLockExclusive).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_behind_goes_and_what_is_in_use_or_is_not_ours_stays() {
        let parent = tempfile::tempdir().unwrap();
        let in_use = Temporary::make_in(parent.path()).unwrap();
        let [left, unlocked, elsewhere] = ["sitio-left", "sitio-else", "other"].map(|name| parent.path().join(name));
        for folder in [&left, &unlocked, &elsewhere] {
            std::fs::create_dir(folder).unwrap();
        }
        std::fs::write(left.join(LOCK), "").unwrap();
        std::fs::write(left.join("sitio.redb"), "data").unwrap();
        std::fs::write(elsewhere.join(LOCK), "").unwrap();
        std::os::unix::fs::symlink(&elsewhere, parent.path().join("sitio-link")).unwrap();

        let next = Temporary::make_in(parent.path()).unwrap();

        assert!(!left.exists(), "its owner is gone");
        assert!(in_use.path().exists() && next.path().exists() && in_use.path() != next.path());
        assert!(unlocked.exists() && elsewhere.join(LOCK).exists(), "nothing says that these were ours");
        assert_eq!(next.path().metadata().unwrap().mode() & 0o777, MODE, "other users cannot look into it");
        let path = next.path().to_owned();
        drop(next);
        assert!(!path.exists());
    }
}
