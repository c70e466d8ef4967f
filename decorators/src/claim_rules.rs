//! What the claims of a user must have, and which of them the service gets: the same for `jwt` and `login`.

use std::collections::BTreeMap;

use crate::field_edits::check_field;
use crate::invalid::{Invalid, require};

/// Names in one list.
const NAMES_MAX: usize = 32;

/// Bytes of one name.
const NAME_BYTES_MAX: usize = 256;

/// Checks the names of roles, scopes or audiences.
pub(crate) fn check_names<'a>(what: &str, names: impl IntoIterator<Item = &'a String>) -> Result<(), Invalid> {
    let names: Vec<_> = names.into_iter().collect();
    require(names.len() <= NAMES_MAX, || format!("{what} has {NAMES_MAX} names at most"))?;
    let is_name = |name: &&String| !name.is_empty() && name.len() <= NAME_BYTES_MAX;
    require(names.iter().all(is_name), || format!("{what}: a name has 1 to {NAME_BYTES_MAX} bytes"))
}

/// Checks which claims become which fields.
pub(crate) fn check_forward(what: &str, forward: &BTreeMap<String, String>) -> Result<(), Invalid> {
    check_names(&format!("{what}: `forward`"), forward.values())?;
    forward.keys().try_for_each(|name| {
        check_field(name, "")?;
        let is_credential = ["authorization", "cookie"].iter().any(|known| known.eq_ignore_ascii_case(name));
        require(!is_credential, || format!("{what}: `forward` cannot replace {name}, which has credentials"))
    })
}
