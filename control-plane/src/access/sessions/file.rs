//! The file that keeps sessions over a restart. It holds no id of a session, only hashes.
//!
//! Several control planes that share sign-ins would share what this file stores, and nothing else of a session.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::access::accounts::Fingerprint;
use crate::access::sessions::owner::SessionOwner;
use crate::data_folder;

/// The file, in the data folder.
pub const SESSIONS_FILE: &str = "sessions.json";

/// The file of an earlier version, with a key that signed sessions.
const KEY_FILE: &str = "session.key";

/// One session on disk.
#[derive(Debug, Serialize, Deserialize)]
pub struct StoredSession<Owner = SessionOwner> {
    /// The hash of its id.
    pub id: Fingerprint,
    /// Whose it is.
    pub owner: Owner,
    /// When it began, seconds since the Unix epoch.
    pub began_s: u64,
    /// When it was used last, seconds since the Unix epoch.
    pub used_s: u64,
}

/// The file with all sessions.
#[derive(Debug)]
pub struct SessionFile {
    path: PathBuf,
    written: Arc<Mutex<Written>>,
}

/// What is on disk. Held while the file is written: writers share a draft, and an older state must never replace a newer one.
#[derive(Debug, Default)]
struct Written {
    revision: u64,
    /// Whether the last attempt failed, which is logged once.
    failed: bool,
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
        (Self { path, written: Arc::default() }, stored)
    }

    /// Writes the sessions, unless `changed`, which gets the revision that is on disk, has none that are newer.
    ///
    /// A caller that waited for another write mostly finds its change on disk, so many sign-ins at once cause few writes.
    pub async fn write(&self, changed: impl FnOnce(u64) -> Option<(u64, Vec<StoredSession<Arc<SessionOwner>>>)>) {
        let mut written = Arc::clone(&self.written).lock_owned().await;
        let Some((revision, sessions)) = changed(written.revision) else { return };
        let path = self.path.clone();
        // The lock goes along: a request that is given up meanwhile must not let the next one write beside this one.
        let writing = tokio::task::spawn_blocking(move || match write(&path, &sessions) {
            Ok(()) => *written = Written { revision, failed: false },
            Err(error) => {
                if !written.failed {
                    tracing::warn!(%error, file = %path.display(), "sessions could not be stored: after a restart, users must sign in again, and a sign-out may be undone");
                }
                written.failed = true;
            }
        });
        if let Err(panic) = writing.await {
            tracing::error!(%panic, "sessions could not be stored");
        }
    }
}

fn write(path: &Path, sessions: &[StoredSession<Arc<SessionOwner>>]) -> std::io::Result<()> {
    let stored: Vec<StoredSession<&SessionOwner>> = sessions
        .iter()
        .map(|StoredSession { id, owner, began_s, used_s }| StoredSession {
            id: *id,
            owner: owner.as_ref(),
            began_s: *began_s,
            used_s: *used_s,
        })
        .collect();
    data_folder::write_private(path, &serde_json::to_vec(&stored)?)
}
