//! A file of decorators: a list of entries, each with the endpoints it covers and its action.

use std::collections::HashSet;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::action::Action;
use crate::invalid::{Invalid, require};
use crate::selection::{Mode, Selection};

/// Entries of one file: as many as the rules that one pod may have.
pub const ENTRIES_MAX: usize = 256;

/// Bytes of a name.
const NAME_BYTES_MAX: usize = 63;

/// A file of decorators. Requests pass its entries first to last, responses last to first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct DecoratorsFile {
    /// The entries, in order.
    #[serde(default)]
    pub decorators: Vec<Entry>,
}

/// One decorator, and the requests it applies to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The name under which it is counted; that of its action if it is absent. Names are unique.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The method of its endpoints, `*` for all.
    #[serde(default = "any")]
    #[cfg_attr(feature = "schema", schema(default = "*", example = "GET"))]
    pub method: String,
    /// The route of its endpoint as it is counted, `/users/{id}`, or a prefix, `/legacy/*`. `/*` is the whole service.
    #[serde(default = "everything")]
    #[cfg_attr(feature = "schema", schema(default = "/*", example = "/users/{id}"))]
    pub route: String,
    /// How many requests of a hundred it applies to, by chance: 1 to 100.
    #[serde(default = "all")]
    #[cfg_attr(feature = "schema", schema(default = 100, minimum = 1, maximum = 100))]
    pub percent: u8,
    /// The callers it applies to, as networks such as `10.0.0.0/8`. Empty for all callers.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schema(value_type = Vec<String>))]
    pub callers: Vec<IpNet>,
    /// Whether it acts.
    #[serde(default)]
    pub mode: Mode,
    /// Whether it also covers health paths that the pod protects.
    #[serde(default)]
    pub override_protected: bool,
    /// What it does.
    pub action: Action,
}

fn any() -> String {
    "*".to_owned()
}

fn everything() -> String {
    "/*".to_owned()
}

fn all() -> u8 {
    100
}

impl Entry {
    /// The name under which it is counted.
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_else(|| self.action.name())
    }

    /// Which requests of its endpoints it applies to.
    pub fn selection(&self) -> Selection {
        Selection { percent: self.percent, callers: self.callers.clone(), mode: self.mode }
    }
}

impl DecoratorsFile {
    /// Checks what its types do not say. The error names the entry.
    pub fn check(&self) -> Result<(), Invalid> {
        require(self.decorators.len() <= ENTRIES_MAX, || format!("at most {ENTRIES_MAX} decorators"))?;
        let mut names = HashSet::new();
        for (position, entry) in self.decorators.iter().enumerate() {
            let name = entry.name();
            let within = |why: Invalid| Invalid(format!("decorator {} ({name}): {why}", position + 1));
            let is_name = !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.bytes().all(|byte| byte.is_ascii_graphic());
            require(is_name, || format!("a name has 1 to {NAME_BYTES_MAX} visible ASCII characters")).map_err(within)?;
            require(names.insert(name), || "another one has this name: give each a `name` of its own".to_owned())
                .map_err(within)?;
            require(entry.route.starts_with('/'), || format!("the route {:?} does not begin with /", entry.route))
                .map_err(within)?;
            entry.selection().check_for(&entry.action).map_err(within)?;
        }
        Ok(())
    }
}
