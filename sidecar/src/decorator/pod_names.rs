//! The names of the pod, for decorators that show them.

use std::sync::Arc;

/// The names of the pod.
#[derive(Debug, Clone)]
pub struct PodNames {
    /// The service.
    pub service: Arc<str>,
    /// The pod.
    pub pod: Arc<str>,
}
