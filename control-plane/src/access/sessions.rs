//! Sign-in sessions: kept by the control plane, bounded, revocable, with random ids of which only hashes are stored.
//!
//! No library is used: `tower-sessions` stores ids unhashed, and bounds neither sessions nor their number per user.

use std::collections::HashMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::access::accounts::{Fingerprint, fingerprint};
use crate::access::sessions::file::{SessionFile, SessionPlace, StoredSession};
use crate::access::sessions::owner::SessionOwner;

pub mod cookie;
pub mod file;
pub mod owner;

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
    open: Mutex<OpenSessions>,
    file: SessionFile,
}

/// The sessions by the hashes of their ids.
#[derive(Debug, Default)]
struct OpenSessions {
    by_id: HashMap<Fingerprint, Session>,
    /// Counts the changes that belong on disk, so that nothing is written twice.
    revision: u64,
}

/// One session.
#[derive(Debug, Clone)]
pub struct Session {
    /// Whose it is.
    pub owner: Arc<SessionOwner>,
    began_s: u64,
    used_s: u64,
    /// Cancelled when the session ends. Requests and streams that use the session hold clones.
    pub ends: Arc<CancellationToken>,
}

impl Sessions {
    /// The sessions of a data folder that are not over. It does file I/O, so it may block.
    pub fn in_folder(folder: &Path, now_s: u64) -> Self {
        Self::restore(SessionPlace::Folder(folder.to_owned()), now_s)
    }

    /// The sessions of a place that are not over. It may block.
    pub fn restore(place: SessionPlace, now_s: u64) -> Self {
        let (file, stored) = SessionFile::open(place);
        let session = |StoredSession { id, owner, began_s, used_s }| {
            (id, Session { owner: Arc::new(owner), began_s, used_s, ends: Arc::default() })
        };
        let mut by_id: HashMap<_, _> = stored.into_iter().take(SESSIONS_MAX).map(session).collect();
        by_id.retain(|_, session| !session.is_over(now_s));
        Self { open: Mutex::new(OpenSessions { by_id, revision: 0 }), file }
    }

    /// Opens a session; returns its id, which only the browser knows. It is on disk when this returns.
    pub async fn open(&self, owner: SessionOwner, now_s: u64) -> String {
        let mut id = String::new();
        for byte in rand::random::<[u8; ID_BYTES]>() {
            let _ = write!(id, "{byte:02x}");
        }
        let session = Session { owner: Arc::new(owner), began_s: now_s, used_s: now_s, ends: Arc::default() };
        self.lock().insert(fingerprint(&id), session);
        self.write().await;
        id
    }

    /// The session of an id, if it is not over; it counts as used now.
    pub fn find(&self, id: &str, now_s: u64) -> Option<Session> {
        let mut open = self.lock();
        let OpenSessions { by_id, revision } = &mut *open;
        let session = by_id.get_mut(&fingerprint(id)).filter(|session| !session.is_over(now_s))?;
        *revision += u64::from(session.use_now(now_s));
        Some(session.clone())
    }

    /// Ends a session; returns whose it was.
    pub async fn end(&self, id: &str) -> Option<Arc<SessionOwner>> {
        let id = fingerprint(id);
        let owner = Arc::clone(&self.lock().by_id.get(&id)?.owner);
        self.lock().end_where(|candidate, _| *candidate == id);
        self.write().await;
        Some(owner)
    }

    /// Ends all sessions of the user of this one; returns whose they were.
    pub async fn end_all_like(&self, id: &str) -> Option<Arc<SessionOwner>> {
        let owner = Arc::clone(&self.lock().by_id.get(&fingerprint(id))?.owner);
        self.lock().end_where(|_, session| session.owner.is_same_user(&owner));
        self.write().await;
        Some(owner)
    }

    /// Number of open sessions of the user of this one.
    pub fn count_like(&self, id: &str) -> usize {
        let open = self.lock();
        let Some(owner) = open.by_id.get(&fingerprint(id)).map(|session| &session.owner) else { return 0 };
        open.by_id.values().filter(|session| session.owner.is_same_user(owner)).count()
    }

    /// Ends the sessions that are over, and those whose owner may no longer sign in; writes what has changed to disk.
    pub async fn sweep(&self, may_stay: impl Fn(&SessionOwner) -> bool, now_s: u64) {
        {
            let mut open = self.lock();
            let OpenSessions { by_id, revision } = &mut *open;
            // Something else than this map holds the end of a session while a request or a stream uses it.
            for session in by_id.values_mut().filter(|session| Arc::strong_count(&session.ends) > 1) {
                *revision += u64::from(session.use_now(now_s));
            }
            open.end_where(|_, session| session.is_over(now_s) || !may_stay(&session.owner));
        }
        self.write().await;
    }

    async fn write(&self) {
        self.file.write(|written| self.lock().changed_since(written)).await;
    }

    fn lock(&self) -> MutexGuard<'_, OpenSessions> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenSessions {
    fn insert(&mut self, id: Fingerprint, session: Session) {
        self.make_room(&session.owner);
        self.by_id.insert(id, session);
        self.revision += 1;
    }

    /// Makes room for one more session of this owner.
    fn make_room(&mut self, owner: &SessionOwner) {
        let of_user = self.by_id.values().filter(|session| session.owner.is_same_user(owner)).count();
        let of_user_max = match owner {
            // The token is shared by people and browsers of any number.
            SessionOwner::Token { .. } => SESSIONS_MAX,
            SessionOwner::User { .. } | SessionOwner::OpenId { .. } => OF_USER_MAX,
        };
        if of_user < of_user_max && self.by_id.len() < SESSIONS_MAX {
            return;
        }
        let is_candidate = |session: &Session| of_user < of_user_max || session.owner.is_same_user(owner);
        let candidates = self.by_id.iter().filter(|(_, session)| is_candidate(session));
        if let Some(oldest) = candidates.min_by_key(|(_, session)| session.used_s).map(|(id, _)| *id) {
            self.end_where(|id, _| *id == oldest);
        }
    }

    fn end_where(&mut self, is_over: impl Fn(&Fingerprint, &Session) -> bool) {
        let before = self.by_id.len();
        self.by_id.retain(|id, session| {
            let ends = is_over(id, session);
            if ends {
                session.ends.cancel();
            }
            !ends
        });
        self.revision += u64::from(self.by_id.len() != before);
    }

    /// All sessions with their revision, unless this one is on disk already. The owners are shared and not copied, because
    /// every request waits for this lock.
    fn changed_since(&self, written: u64) -> Option<(u64, Vec<StoredSession<Arc<SessionOwner>>>)> {
        let stored = |(id, session): (&Fingerprint, &Session)| StoredSession {
            id: *id,
            owner: Arc::clone(&session.owner),
            began_s: session.began_s,
            used_s: session.used_s - session.used_s % 60,
        };
        (self.revision != written).then(|| (self.revision, self.by_id.iter().map(stored).collect()))
    }
}

impl Session {
    /// Counts as used now; whether that belongs on disk. Minutes do, so that a busy browser does not cause a write a second.
    fn use_now(&mut self, now_s: u64) -> bool {
        let before = self.used_s;
        self.used_s = before.max(now_s);
        self.used_s / 60 != before / 60
    }

    /// A session of the future is over, too: a clock was wrong when it began.
    fn is_over(&self, now_s: u64) -> bool {
        let lasts = self.began_s <= now_s + CLOCK_STEP_S && now_s < self.began_s + SESSION.as_secs();
        !lasts || now_s >= self.used_s + IDLE.as_secs()
    }
}

#[cfg(test)]
mod tests;
