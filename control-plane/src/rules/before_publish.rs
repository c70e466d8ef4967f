//! A hook that runs before a new rule set is published.

use std::fmt;
use std::sync::OnceLock;

use crate::model::rules_state::RulesState;

type Tell = Box<dyn Fn(&RulesState) + Send + Sync>;

/// The hook. The timeline sets it, because pins rename endpoints: no pod may report under a new
/// name before the timeline knows it.
#[derive(Default)]
pub(super) struct BeforePublish(OnceLock<Tell>);

impl BeforePublish {
    /// Sets the hook. Later calls are ignored.
    pub(super) fn set(&self, tell: impl Fn(&RulesState) + Send + Sync + 'static) {
        drop(self.0.set(Box::new(tell)));
    }

    /// Runs the hook with the rules that are about to be published.
    pub(super) fn run(&self, rules: &RulesState) {
        if let Some(tell) = self.0.get() {
            tell(rules);
        }
    }
}

impl fmt::Debug for BeforePublish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("First")
    }
}
