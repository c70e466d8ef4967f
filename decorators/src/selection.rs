//! Which requests of an endpoint an action applies to, and whether it acts or only counts.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::action::Action;
use crate::invalid::{Invalid, require};

/// Networks that one selection may name.
pub const CALLERS_MAX: usize = 64;

/// Which requests an action applies to. By default, to all of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// How many requests of a hundred it applies to, by chance: 1 to 100.
    #[serde(default = "all", skip_serializing_if = "is_all")]
    #[cfg_attr(feature = "schema", schema(default = 100, minimum = 1, maximum = 100))]
    pub percent: u8,
    /// The callers it applies to, as networks such as `10.0.0.0/8`. Empty for all callers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schema(value_type = Vec<String>))]
    pub callers: Vec<IpNet>,
    /// Whether it acts.
    #[serde(default, skip_serializing_if = "Mode::is_enforced")]
    pub mode: Mode,
}

/// Whether an action acts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// It acts.
    #[default]
    Enforce,
    /// It only counts the requests on which it would act.
    Shadow,
}

impl Mode {
    /// Whether it acts.
    pub fn is_enforced(&self) -> bool {
        *self == Self::Enforce
    }
}

impl Default for Selection {
    fn default() -> Self {
        Self { percent: 100, callers: Vec::new(), mode: Mode::Enforce }
    }
}

fn all() -> u8 {
    100
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_all(percent: &u8) -> bool {
    *percent == 100
}

impl Selection {
    /// Whether it selects every request, and acts.
    pub fn is_unconditional(&self) -> bool {
        self.percent == 100 && self.callers.is_empty() && self.mode == Mode::Enforce
    }

    /// Whether it selects requests of this caller. A caller without an address, of a Unix socket, is in no network.
    pub fn selects(&self, caller: Option<IpAddr>) -> bool {
        self.callers.is_empty()
            || caller.is_some_and(|caller| self.callers.iter().any(|net| net.contains(&caller.to_canonical())))
    }

    /// Reads a selection from JSON.
    pub fn from_json(json: &str) -> Result<Self, Invalid> {
        let selection: Self = serde_json::from_str(json).map_err(|why| Invalid(why.to_string()))?;
        selection.check()?;
        Ok(selection)
    }

    /// The selection as JSON, which is the same for equal selections.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a selection is made of numbers and texts")
    }

    /// Checks what its types do not say, for this action. A guard that acts on some requests only would guard nothing.
    pub fn check_for(&self, action: &Action) -> Result<(), Invalid> {
        let is_part = self.percent < 100 && self.mode == Mode::Enforce;
        require(!(action.is_guard() && is_part), || {
            format!("{} guards the service, so it applies to all requests: leave `percent` out", action.name())
        })?;
        self.check()
    }

    /// Checks what its types do not say.
    pub fn check(&self) -> Result<(), Invalid> {
        require((1..=100).contains(&self.percent), || format!("percent is 1 to 100, not {}", self.percent))?;
        require(self.callers.len() <= CALLERS_MAX, || format!("at most {CALLERS_MAX} networks of callers"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_are_selected_by_network() {
        let selection = Selection { callers: vec!["10.0.0.0/8".parse().unwrap()], ..Selection::default() };
        assert!(selection.selects(Some("10.1.2.3".parse().unwrap())));
        assert!(selection.selects(Some("::ffff:10.1.2.3".parse().unwrap())));
        assert!(!selection.selects(Some("11.1.2.3".parse().unwrap())) && !selection.selects(None));
        assert!(Selection::default().selects(None));
        assert!(Selection { percent: 0, ..Selection::default() }.check().is_err());
    }
}
