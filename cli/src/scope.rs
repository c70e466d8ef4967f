//! Options that filter a list by service and namespace.

use crate::complete;

/// Flattened into the options of commands that filter their list here and not in the control plane.
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
    /// The service to show, if one is given.
    pub(crate) fn service(&self) -> Option<&str> {
        self.service.as_deref()
    }

    /// Whether an entry of this service passes the filter.
    pub(crate) fn holds(&self, namespace: &str, service: &str) -> bool {
        self.service.as_deref().is_none_or(|only| only == service)
            && self.namespace.as_deref().is_none_or(|only| only == namespace)
    }
}
