//! The data folder: created for its owner alone, and closed to other users if it is open.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// The mode of the folder: access for the owner only.
const FOLDER_MODE: u32 = 0o700;

/// The mode of a file: access for the owner only.
const FILE_MODE: u32 = 0o600;

/// The permission bits of other users, and the sticky bit of folders that all users share (`/tmp`).
const OF_OTHERS: u32 = 0o077;
const SHARED: u32 = 0o1000;

/// Creates the folder if it is missing; closes an existing one to others if it is empty or has the file `ours` in it.
pub fn prepare(folder: &Path, ours: &str) -> io::Result<()> {
    let was_there = folder.is_dir();
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder)?;
    if !was_there {
        return Ok(());
    }
    let mode = std::fs::metadata(folder)?.permissions().mode();
    if mode & OF_OTHERS == 0 {
        return Ok(());
    }
    let is_empty = std::fs::read_dir(folder)?.next().is_none();
    let is_shared = mode & SHARED != 0;
    if is_shared || !(is_empty || folder.join(ours).exists()) {
        tracing::warn!(folder = %folder.display(), "the data folder has foreign files, so its permissions are left unchanged");
    } else {
        close(folder, FOLDER_MODE);
    }
    Ok(())
}

/// Closes files in the folder to other users.
pub fn close_files(folder: &Path, names: &[&str]) {
    for file in names.iter().map(|name| folder.join(name)).filter(|file| file.is_file()) {
        close(&file, FILE_MODE);
    }
}

/// Closes a path to other users. If another user owns it, as in a volume, the volume's own permissions apply.
fn close(path: &Path, mode: u32) {
    let now = std::fs::metadata(path).map(|there| there.permissions().mode());
    if now.as_ref().is_ok_and(|now| now & OF_OTHERS == 0) {
        return;
    }
    if let Err(error) = std::fs::set_permissions(path, Permissions::from_mode(mode)) {
        tracing::warn!(%error, path = %path.display(), "other users can read this path: set its permissions to {mode:o}");
    }
}

/// Writes a file atomically, readable by its owner only.
pub fn write_private(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = file.with_extension("new");
    // A draft that a crash has left keeps the permissions of that time.
    let _ = std::fs::remove_file(&draft);
    let mut written = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(&draft)?;
    written.write_all(bytes)?;
    written.sync_all()?;
    std::fs::rename(&draft, file)?;
    // The new name is durable only once the folder is synced.
    File::open(file.parent().unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "sitio.redb";

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    fn set(path: &Path, mode: u32) {
        std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn the_data_folder_is_its_owners_alone() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("data");
        prepare(&folder, FILE).unwrap();
        assert_eq!(mode(&folder), 0o700);

        std::fs::write(folder.join(FILE), "").unwrap();
        set(&folder, 0o755);
        set(&folder.join(FILE), 0o644);
        prepare(&folder, FILE).unwrap();
        close_files(&folder, &[FILE, "not-there"]);
        assert_eq!((mode(&folder), mode(&folder.join(FILE))), (0o700, 0o600));
    }

    #[test]
    fn a_folder_that_others_use_too_is_left_as_it_is() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("someones-file"), "").unwrap();
        set(root.path(), 0o755);
        prepare(root.path(), FILE).unwrap();
        assert_eq!(mode(root.path()), 0o755);

        let shared = root.path().join("shared");
        std::fs::create_dir(&shared).unwrap();
        set(&shared, 0o1777);
        prepare(&shared, FILE).unwrap();
        assert_eq!(mode(&shared), 0o1777);
    }
}
