//! The file that keeps sessions over a restart. It holds no id of a session, only hashes.
//!
//! Control planes that share a store keep in it what this file holds, and nothing else of a session.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::access::accounts::Fingerprint;
use crate::access::sessions::owner::SessionOwner;
use crate::data_folder;
use crate::store::session_store::SessionStore;

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

/// Where sessions are kept.
#[derive(Debug, Clone)]
pub enum SessionPlace {
    /// In this data folder.
    Folder(PathBuf),
    /// In the store that several control planes share.
    Shared(Arc<dyn SessionStore>),
}

/// The file with all sessions, or the store in its place.
#[derive(Debug)]
pub struct SessionFile {
    place: SessionPlace,
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
    /// Opens the place, and reads what it holds. It may block.
    pub fn open(place: SessionPlace) -> (Self, Vec<StoredSession>) {
        let read = match &place {
            SessionPlace::Folder(folder) => {
                let _ = std::fs::remove_file(folder.join(KEY_FILE));
                std::fs::read(folder.join(SESSIONS_FILE)).ok()
            }
            SessionPlace::Shared(store) => store.load_sessions().ok().flatten().map(String::into_bytes),
        };
        let stored = match read.map(|bytes| serde_json::from_slice(&bytes)) {
            Some(Ok(stored)) => stored,
            Some(Err(error)) => {
                tracing::warn!(%error, place = %place, "the sessions are damaged: users must sign in again");
                Vec::new()
            }
            None => Vec::new(),
        };
        (Self { place, written: Arc::default() }, stored)
    }

    /// Writes the sessions, unless `changed`, which gets the revision that is on disk, has none that are newer.
    ///
    /// A caller that waited for another write mostly finds its change on disk, so many sign-ins at once cause few writes.
    pub async fn write(&self, changed: impl FnOnce(u64) -> Option<(u64, Vec<StoredSession<Arc<SessionOwner>>>)>) {
        let mut written = Arc::clone(&self.written).lock_owned().await;
        let Some((revision, sessions)) = changed(written.revision) else { return };
        let place = self.place.clone();
        // The lock goes along: a request that is given up meanwhile must not let the next one write beside this one.
        let writing = tokio::task::spawn_blocking(move || match write(&place, &sessions) {
            Ok(()) => *written = Written { revision, failed: false },
            Err(error) => {
                if !written.failed {
                    tracing::warn!(%error, place = %place, "sessions could not be stored: after a restart, users must sign in again, and a sign-out may be undone");
                }
                written.failed = true;
            }
        });
        if let Err(panic) = writing.await {
            tracing::error!(%panic, "sessions could not be stored");
        }
    }
}

fn write(place: &SessionPlace, sessions: &[StoredSession<Arc<SessionOwner>>]) -> std::io::Result<()> {
    let stored: Vec<StoredSession<&SessionOwner>> = sessions
        .iter()
        .map(|StoredSession { id, owner, began_s, used_s }| StoredSession {
            id: *id,
            owner: owner.as_ref(),
            began_s: *began_s,
            used_s: *used_s,
        })
        .collect();
    match place {
        SessionPlace::Folder(folder) => data_folder::write_private(&folder.join(SESSIONS_FILE), &serde_json::to_vec(&stored)?),
        SessionPlace::Shared(store) => store.save_sessions(serde_json::to_string(&stored)?).map_err(std::io::Error::other),
    }
}

impl fmt::Display for SessionPlace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => write!(formatter, "{}", folder.join(SESSIONS_FILE).display()),
            Self::Shared(_) => formatter.write_str("the shared store"),
        }
    }
}
