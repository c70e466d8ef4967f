//! Who has signed in: random names in a cookie, forgotten after a working day.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, header};

/// How long one sign-in lasts.
pub(super) const SESSION: Duration = Duration::from_secs(12 * 60 * 60);

/// Sessions at a time; the one that would end first makes room.
const SESSIONS_MAX: usize = 1024;

/// The cookie's name.
pub(super) const COOKIE: &str = "sitio_session";

/// The sessions that are open, with their ends.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<HashMap<String, Instant>>);

impl Sessions {
    /// Opens one, and returns its name: 244 random bits.
    pub(super) fn open(&self) -> String {
        let session = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
        let (mut sessions, now) = (self.hold(), Instant::now());
        sessions.retain(|_, ends| *ends > now);
        if sessions.len() >= SESSIONS_MAX {
            let first = sessions.iter().min_by_key(|(_, ends)| **ends).map(|(session, _)| session.clone());
            first.map(|first| sessions.remove(&first));
        }
        sessions.insert(session.clone(), now + SESSION);
        session
    }

    /// Whether a session of this name is open.
    pub(super) fn is_open(&self, session: &str) -> bool {
        self.hold().get(session).is_some_and(|ends| *ends > Instant::now())
    }

    fn hold(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The session that a request names (RFC 6265, section 4.2).
pub(super) fn cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|cookies| cookies.to_str().ok());
    let mut pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, session)| session)
}
