//! The service that a count belongs to.

/// The service that an endpoint belongs to.
#[derive(Debug, Clone, Copy)]
pub struct Reporter<'a> {
    /// The namespace.
    pub namespace: &'a str,
    /// The service.
    pub service: &'a str,
}
