//! Which sidecars send exchanges to a tap.

use crate::model::principal::Namespaces;

/// Which sidecars a tap covers. A field that is `None` matches all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TapScope {
    /// Only this namespace.
    pub namespace: Option<String>,
    /// Only this service.
    pub service: Option<String>,
    /// Only the pod of this name.
    pub pod: Option<String>,
    /// The namespaces that its reader sees.
    pub sees: Namespaces,
}
