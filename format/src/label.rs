//! The label of a service in sentences and tables.

/// A service, with its namespace if that is not the default one.
pub fn service_label(namespace: &str, service: &str) -> String {
    if namespace == "default" { service.into() } else { format!("{namespace}/{service}") }
}
