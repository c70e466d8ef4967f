//! Why a stream is not admitted to the fleet.

use crate::model::limits::SERVICES_MAX;

/// Why a pod may not attach.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAttached {
    /// Another process reports under the same uid, so this one gets an entry of its own.
    #[error("another process reports as pod {0}")]
    Claimed(String),
    /// A newer stream of the same process has attached before.
    #[error("stream {session} of pod {pod} is not newer than the known stream {known}")]
    OldSession {
        /// The pod.
        pod: String,
        /// The session of the refused stream.
        session: u32,
        /// The newest known session.
        known: u32,
    },
    /// The limit of pods or services is reached.
    #[error("the limit of pods (by memory) or of services ({SERVICES_MAX}) is reached")]
    Full,
}
