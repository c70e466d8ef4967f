//! The store of sign-in sessions that replicas share: one text with all of them.

use crate::store::StoreError;

/// Storage of sessions. Calls may block, so call it only where blocking is allowed.
pub trait SessionStore: Send + Sync + std::fmt::Debug {
    /// Reads the text that was saved last.
    fn load_sessions(&self) -> Result<Option<String>, StoreError>;

    /// Replaces the text.
    fn save_sessions(&self, json: String) -> Result<(), StoreError>;
}
