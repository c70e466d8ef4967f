//! The users file: read at the start, and again whenever it changes.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use platform::config_file;

use crate::access::accounts::{Accounts, Fingerprint, fingerprint};

/// A users file, and what was last read from it.
#[derive(Debug)]
pub struct UsersFile {
    path: PathBuf,
    last: Mutex<LastRead>,
}

#[derive(Debug)]
struct LastRead {
    accounts: Arc<Accounts>,
    /// Of the text that was last read, whether or not it could be used; `None` while it cannot be read.
    text: Option<Fingerprint>,
}

impl UsersFile {
    /// Reads the file. It does file I/O, so it may block.
    pub fn open(path: PathBuf) -> Result<Self, String> {
        let text = read(&path)?;
        let accounts = Accounts::from_yaml(&text).map_err(|why| format!("{}: {why}", path.display()))?;
        if accounts.counts() == (0, 0) {
            return Err(format!("{} has no users and no tokens: add one, its password by sitio hash-password", path.display()));
        }
        let last = LastRead { accounts: Arc::new(accounts), text: Some(fingerprint(&text)) };
        Ok(Self { path, last: Mutex::new(last) })
    }

    /// The accounts that are valid now.
    pub fn accounts(&self) -> Arc<Accounts> {
        Arc::clone(&self.last.lock().unwrap_or_else(PoisonError::into_inner).accounts)
    }

    /// Reads the file again. If it has become unusable, the accounts before stay valid, and the reason is logged once.
    ///
    /// Its text is compared, and not its time: the mount of a Secret is a chain of links that is replaced as a whole.
    pub fn refresh(&self) {
        let read = read(&self.path);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let text = read.as_deref().ok().map(fingerprint);
        if text == last.text {
            return;
        }
        last.text = text;
        match read.and_then(|text| Accounts::from_yaml(&text).map_err(|why| format!("{}: {why}", self.path.display()))) {
            Ok(accounts) => {
                last.accounts = Arc::new(accounts.succeed(&last.accounts));
                tracing::info!(file = %self.path.display(), "the users file has changed: it has {}", last.accounts);
            }
            Err(why) => {
                tracing::error!("the users file cannot be used, so the {} before stay valid: {why}", last.accounts);
            }
        }
    }
}

fn read(path: &Path) -> Result<String, String> {
    config_file::read(path).map_err(|why| format!("read the users file {} (SITIO_USERS_FILE): {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANNA: &str = "{ name: anna, sha256: 0000000000000000000000000000000000000000000000000000000000000001, role: viewer }";

    #[test]
    fn a_file_that_has_become_unusable_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.yaml");
        std::fs::write(&path, format!("tokens: [{ANNA}]")).unwrap();
        let file = UsersFile::open(path.clone()).unwrap();
        for text in ["tokens: [", "nonsense: 1", "\u{0}"] {
            std::fs::write(&path, text).unwrap();
            file.refresh();
            assert_eq!(file.accounts().counts(), (0, 1), "{text}");
        }
        std::fs::remove_file(&path).unwrap();
        file.refresh();
        assert_eq!(file.accounts().counts(), (0, 1));
        std::fs::write(&path, "tokens: []").unwrap();
        file.refresh();
        assert_eq!(file.accounts().counts(), (0, 0), "that all are removed is a clear command");
    }

    #[test]
    fn at_the_start_it_must_be_usable() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.yaml");
        let why = |text: Option<&str>| {
            if let Some(text) = text {
                std::fs::write(&path, text).unwrap();
            }
            UsersFile::open(path.clone()).unwrap_err()
        };
        assert!(why(None).contains("SITIO_USERS_FILE"));
        assert!(why(Some("users: []")).contains("no users and no tokens"));
        assert!(why(Some(&"#".repeat(config_file::FILE_BYTES_MAX as usize + 1))).contains("larger than 1024 KiB"));
        assert!(why(Some("users:\n- name: anna\n  role: root\n")).contains("line 3"));
    }
}
