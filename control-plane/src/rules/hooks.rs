//! Hooks through which the timeline takes part in the rules, without a dependency of the rules on it.

use std::fmt;
use std::sync::OnceLock;

use mesh::endpoint::Endpoint;

use crate::model::rules_state::RulesState;

type Publish = Box<dyn Fn(&RulesState) + Send + Sync>;
type Lookup = Box<dyn Fn(&str, &str) -> Vec<Endpoint> + Send + Sync>;

/// A hook that runs before a new rule set is published. The timeline sets it, because pins rename endpoints: no pod may
/// report under a new name before the timeline knows it.
#[derive(Default)]
pub(super) struct BeforePublish(OnceLock<Publish>);

impl BeforePublish {
    /// Sets the hook. Later calls are ignored.
    pub(super) fn set(&self, hook: impl Fn(&RulesState) + Send + Sync + 'static) {
        drop(self.0.set(Box::new(hook)));
    }

    /// Runs the hook with the rules that are about to be published.
    pub(super) fn run(&self, rules: &RulesState) {
        if let Some(hook) = self.0.get() {
            hook(rules);
        }
    }
}

impl fmt::Debug for BeforePublish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BeforePublish")
    }
}

/// Looks up the counted endpoints of a service, which the timeline keeps. Without a source, there are none.
#[derive(Default)]
pub(super) struct CountedEndpoints(OnceLock<Lookup>);

impl CountedEndpoints {
    /// Sets the source. Later calls are ignored.
    pub(super) fn set(&self, lookup: impl Fn(&str, &str) -> Vec<Endpoint> + Send + Sync + 'static) {
        drop(self.0.set(Box::new(lookup)));
    }

    /// The counted endpoints of a service in a namespace.
    pub(super) fn get(&self, namespace: &str, service: &str) -> Vec<Endpoint> {
        self.0.get().map_or_else(Vec::new, |lookup| lookup(namespace, service))
    }
}

impl fmt::Debug for CountedEndpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CountedEndpoints")
    }
}
