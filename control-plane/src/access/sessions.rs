//! Sign-in sessions: kept by the control plane, bounded, revocable, with random ids of which only hashes are stored.
//!
//! No library is used: `tower-sessions` stores ids unhashed, and bounds neither sessions nor their number per user.

use std::collections::HashMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::access::accounts::{Fingerprint, fingerprint};
use crate::access::sessions::file::{SessionFile, StoredSession};
use crate::model::principal::Role;

pub mod cookie;
pub mod file;

/// How long one sign-in lasts: a working day.
pub const SESSION: Duration = Duration::from_secs(12 * 60 * 60);

/// How long a session lasts in which nothing is done. An open page with live numbers counts as being used.
const IDLE: Duration = Duration::from_secs(4 * 60 * 60);

/// Sessions of one user: some browsers on some machines. One more ends the one that was not used for longest.
const OF_USER_MAX: usize = 16;

/// Sessions of all users. Each takes half a kilobyte, and up to 4 KiB with a provider's token.
const SESSIONS_MAX: usize = 4096;

/// A step of the clock, in seconds, that ends no session.
const CLOCK_STEP_S: u64 = 60;

/// Bytes of an id: 256 random bits cannot be guessed.
const ID_BYTES: usize = 32;

/// All open sessions.
#[derive(Debug)]
pub struct Sessions {
    open: Mutex<HashMap<Fingerprint, Session>>,
    file: SessionFile,
}

/// One session.
#[derive(Debug, Clone)]
pub struct Session {
    /// Whose it is.
    pub owner: SessionOwner,
    began_s: u64,
    used_s: u64,
    /// Cancelled when the session ends. Requests and streams that use the session hold clones.
    pub ends: Arc<CancellationToken>,
}

/// Whose session it is, and what it was opened with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionOwner {
    /// The holder of the shared token.
    Token {
        /// Of the token.
        credential: Fingerprint,
    },
    /// A user of the users file, which says what they may do now.
    User {
        /// The name.
        name: String,
        /// Of the password's hash.
        credential: Fingerprint,
    },
    /// A user of the OpenID provider, with what the provider said at the sign-in.
    OpenId {
        /// The provider's identifier of the user.
        subject: String,
        /// The name.
        name: String,
        /// The role.
        role: Role,
        /// The namespaces; `None` for all.
        namespaces: Option<Vec<String>>,
        /// The id token, which the provider wants back at the sign-out.
        id_token: String,
    },
}

impl SessionOwner {
    /// Whether two sessions are of the same user.
    fn is_same_user(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Token { .. }, Self::Token { .. }) => true,
            (Self::User { name, .. }, Self::User { name: other, .. }) => name == other,
            (Self::OpenId { subject, .. }, Self::OpenId { subject: other, .. }) => subject == other,
            _ => false,
        }
    }
}

impl Sessions {
    /// The sessions of a data folder that are not over. It does file I/O, so it may block.
    pub fn in_folder(folder: &Path, now_s: u64) -> Self {
        let (file, stored) = SessionFile::in_folder(folder);
        let session =
            |StoredSession { id, owner, began_s, used_s }| (id, Session { owner, began_s, used_s, ends: Arc::default() });
        let mut open: HashMap<_, _> = stored.into_iter().take(SESSIONS_MAX).map(session).collect();
        open.retain(|_, session| !session.is_over(now_s));
        Self { open: Mutex::new(open), file }
    }

    /// Opens a session; returns its id, which only the browser knows. It is on disk when this returns.
    pub async fn open(&self, owner: SessionOwner, now_s: u64) -> String {
        let mut id = String::new();
        for byte in rand::random::<[u8; ID_BYTES]>() {
            let _ = write!(id, "{byte:02x}");
        }
        {
            let mut open = self.lock();
            make_room(&mut open, &owner);
            let session = Session { owner, began_s: now_s, used_s: now_s, ends: Arc::default() };
            open.insert(fingerprint(&id), session);
        }
        self.write().await;
        id
    }

    /// The session of an id, if it is not over; it counts as used now.
    pub fn find(&self, id: &str, now_s: u64) -> Option<Session> {
        let mut open = self.lock();
        let session = open.get_mut(&fingerprint(id)).filter(|session| !session.is_over(now_s))?;
        session.used_s = session.used_s.max(now_s);
        Some(session.clone())
    }

    /// Ends a session; returns whose it was.
    pub async fn end(&self, id: &str) -> Option<SessionOwner> {
        let ended = self.lock().remove(&fingerprint(id))?;
        ended.ends.cancel();
        self.write().await;
        Some(ended.owner)
    }

    /// Ends all sessions of the user of this one; returns whose they were.
    pub async fn end_all_like(&self, id: &str) -> Option<SessionOwner> {
        let owner = self.lock().get(&fingerprint(id))?.owner.clone();
        self.end_where(|session| session.owner.is_same_user(&owner));
        self.write().await;
        Some(owner)
    }

    /// Number of open sessions of the user of this one.
    pub fn count_like(&self, id: &str) -> usize {
        let open = self.lock();
        let Some(owner) = open.get(&fingerprint(id)).map(|session| &session.owner) else { return 0 };
        open.values().filter(|session| session.owner.is_same_user(owner)).count()
    }

    /// Ends the sessions that are over, and those whose owner may no longer sign in; writes the rest to disk.
    pub async fn sweep(&self, may_stay: impl Fn(&SessionOwner) -> bool, now_s: u64) {
        for session in self.lock().values_mut() {
            // Something else than this map holds the end of a session while a request or a stream uses it.
            if Arc::strong_count(&session.ends) > 1 {
                session.used_s = session.used_s.max(now_s);
            }
        }
        self.end_where(|session| session.is_over(now_s) || !may_stay(&session.owner));
        self.write().await;
    }

    fn end_where(&self, is_over: impl Fn(&Session) -> bool) {
        self.lock().retain(|_, session| {
            let ends = is_over(session);
            if ends {
                session.ends.cancel();
            }
            !ends
        });
    }

    async fn write(&self) {
        self.file
            .write(|| {
                let stored = |(id, session): (&Fingerprint, &Session)| StoredSession {
                    id: *id,
                    owner: session.owner.clone(),
                    began_s: session.began_s,
                    // In minutes, so that a busy browser does not cause a write a second.
                    used_s: session.used_s - session.used_s % 60,
                };
                self.lock().iter().map(stored).collect()
            })
            .await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Fingerprint, Session>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    /// A session of the future is over, too: a clock was wrong when it began.
    fn is_over(&self, now_s: u64) -> bool {
        let lasts = self.began_s <= now_s + CLOCK_STEP_S && now_s < self.began_s + SESSION.as_secs();
        !lasts || now_s >= self.used_s + IDLE.as_secs()
    }
}

/// Makes room for one more session of this owner.
fn make_room(open: &mut HashMap<Fingerprint, Session>, owner: &SessionOwner) {
    let of_user = open.values().filter(|session| session.owner.is_same_user(owner)).count();
    let of_user_max = match owner {
        // The token is shared by people and browsers of any number.
        SessionOwner::Token { .. } => SESSIONS_MAX,
        SessionOwner::User { .. } | SessionOwner::OpenId { .. } => OF_USER_MAX,
    };
    let is_candidate = |session: &Session| of_user < of_user_max || session.owner.is_same_user(owner);
    if of_user < of_user_max && open.len() < SESSIONS_MAX {
        return;
    }
    let oldest = open.iter().filter(|(_, session)| is_candidate(session)).min_by_key(|(_, session)| session.used_s);
    if let Some(id) = oldest.map(|(id, _)| *id)
        && let Some(ended) = open.remove(&id)
    {
        ended.ends.cancel();
    }
}

#[cfg(test)]
mod tests;
