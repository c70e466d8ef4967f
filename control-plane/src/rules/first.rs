//! Who hears of new rules before anybody else does.

use std::fmt;
use std::sync::OnceLock;

use crate::rules::state::RulesState;

type Tell = Box<dyn Fn(&RulesState) + Send + Sync>;

/// Where the names of endpoints are kept, which pins change: no pod may tell by new ones before they are known there.
#[derive(Default)]
pub(super) struct First(OnceLock<Tell>);

impl First {
    /// From now on this one hears of new rules first. There can be one.
    pub(super) fn is(&self, tell: impl Fn(&RulesState) + Send + Sync + 'static) {
        // Of two the first one stays; nobody is there who could be the second.
        drop(self.0.set(Box::new(tell)));
    }

    /// These are about to become known.
    pub(super) fn hears(&self, rules: &RulesState) {
        if let Some(tell) = self.0.get() {
            tell(rules);
        }
    }
}

impl fmt::Debug for First {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("First")
    }
}
