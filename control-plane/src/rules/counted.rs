//! A hook through which the rules look up counted endpoints, which the timeline keeps.

use std::fmt;
use std::sync::OnceLock;

use mesh::endpoint::Endpoint;

type Look = Box<dyn Fn(&str, &str) -> Vec<Endpoint> + Send + Sync>;

/// Looks up the counted endpoints of a service. Without a source, there are none.
#[derive(Default)]
pub(super) struct CountedEndpoints(OnceLock<Look>);

impl CountedEndpoints {
    /// Sets the source. Later calls are ignored.
    pub(super) fn set(&self, look: impl Fn(&str, &str) -> Vec<Endpoint> + Send + Sync + 'static) {
        drop(self.0.set(Box::new(look)));
    }

    /// The counted endpoints of a service in a namespace.
    pub(super) fn get(&self, namespace: &str, service: &str) -> Vec<Endpoint> {
        self.0.get().map_or_else(Vec::new, |look| look(namespace, service))
    }
}

impl fmt::Debug for CountedEndpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Counted")
    }
}
