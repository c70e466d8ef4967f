//! The file that keeps sessions over a restart. It holds no id of a session, only hashes.
//!
//! Several control planes that share sign-ins would share what this file stores, and nothing else of a session.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::access::accounts::{Fingerprint, fingerprint};
use crate::access::sessions::SessionOwner;
use crate::data_folder;

/// The file, in the data folder.
pub const SESSIONS_FILE: &str = "sessions.json";

/// The file of an earlier version, with a key that signed sessions.
const KEY_FILE: &str = "session.key";

/// One session on disk.
#[derive(Debug, Serialize, Deserialize)]
pub struct StoredSession {
    /// The hash of its id.
    pub id: Fingerprint,
    /// Whose it is.
    pub owner: SessionOwner,
    /// When it began, seconds since the Unix epoch.
    pub began_s: u64,
    /// When it was used last, seconds since the Unix epoch.
    pub used_s: u64,
}

/// The file with all sessions.
#[derive(Debug)]
pub struct SessionFile {
    path: PathBuf,
    /// The hash of what was written last. Held while it is written, so that an older state never replaces a newer one.
    written: tokio::sync::Mutex<Option<Fingerprint>>,
}

impl SessionFile {
    /// The file of a folder, and what it holds. It does file I/O, so it may block.
    pub fn in_folder(folder: &Path) -> (Self, Vec<StoredSession>) {
        let _ = std::fs::remove_file(folder.join(KEY_FILE));
        let path = folder.join(SESSIONS_FILE);
        let stored = match std::fs::read(&path).map(|bytes| serde_json::from_slice(&bytes)) {
            Ok(Ok(stored)) => stored,
            Ok(Err(error)) => {
                tracing::warn!(%error, file = %path.display(), "the file of sessions is damaged: users must sign in again");
                Vec::new()
            }
            Err(_) => Vec::new(),
        };
        (Self { path, written: tokio::sync::Mutex::default() }, stored)
    }

    /// Writes the sessions, unless they are on disk already.
    pub async fn write(&self, sessions: impl FnOnce() -> Vec<StoredSession>) {
        let mut written = self.written.lock().await;
        let mut sessions = sessions();
        sessions.sort_unstable_by_key(|session| session.id);
        let text = serde_json::to_string(&sessions).expect("texts and numbers are always JSON");
        let new = fingerprint(&text);
        if *written == Some(new) || (written.is_none() && sessions.is_empty() && !self.path.exists()) {
            return;
        }
        let path = self.path.clone();
        let writing = tokio::task::spawn_blocking(move || data_folder::write_private(&path, text.as_bytes()));
        match writing.await {
            Ok(Ok(())) => *written = Some(new),
            Ok(Err(error)) => {
                tracing::warn!(%error, file = %self.path.display(), "sessions could not be stored: after a restart, users must sign in again, and a sign-out may be undone");
            }
            Err(panic) => tracing::error!(%panic, "sessions could not be stored"),
        }
    }
}
