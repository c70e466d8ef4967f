//! What a list is narrowed to: one service, one namespace.

use crate::complete;

/// Flattened into the options of a command whose list is narrowed here, and not by the control plane.
#[derive(Debug, clap::Args)]
pub(crate) struct Only {
    /// Only of this service.
    #[arg(add = complete::services())]
    service: Option<String>,
    /// Only of this namespace.
    #[arg(short, long)]
    namespace: Option<String>,
}

impl Only {
    /// The service.
    pub(crate) fn service(&self) -> Option<&str> {
        self.service.as_deref()
    }

    /// Whether something of this service stays in the list.
    pub(crate) fn holds(&self, namespace: &str, service: &str) -> bool {
        self.service.as_deref().is_none_or(|only| only == service)
            && self.namespace.as_deref().is_none_or(|only| only == namespace)
    }
}
