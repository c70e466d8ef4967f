//! Edits of the fields of one message, in a configuration.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::invalid::{Invalid, require};

/// Fields that one configuration may edit.
const EDITS_MAX: usize = 32;

/// Bytes of a field's name and value together.
const FIELD_BYTES_MAX: usize = 4 * 1024;

/// Fields to set and to remove.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct FieldEdits {
    /// Fields to set; they replace all fields of their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, String>,
    /// Fields to add beside those of their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub add: BTreeMap<String, String>,
    /// Names of fields to remove.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<String>,
}

impl FieldEdits {
    pub(crate) fn check(&self) -> Result<(), Invalid> {
        let count = self.set.len() + self.add.len() + self.remove.len();
        require(count <= EDITS_MAX, || format!("at most {EDITS_MAX} fields can be edited"))?;
        self.set.iter().chain(&self.add).try_for_each(|(name, value)| check_field(name, value))?;
        self.remove.iter().try_for_each(|name| check_field(name, ""))
    }

    /// Whether nothing is edited.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.add.is_empty() && self.remove.is_empty()
    }
}

/// Fields that describe a connection or the framing of a message (RFC 9110, section 7.6.1): an edit would corrupt it.
const OF_CONNECTION: [&str; 10] = [
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
];

/// Refuses a field that would corrupt the message that contains it (RFC 9110, section 5).
pub(crate) fn check_field(name: &str, value: &str) -> Result<(), Invalid> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    require(!name.is_empty() && name.bytes().all(is_token), || {
        format!("{name:?} is no name of a field (RFC 9110, section 5.1)")
    })?;
    let is_of_connection = OF_CONNECTION.iter().any(|known| known.eq_ignore_ascii_case(name));
    require(!is_of_connection, || format!("{name} describes the connection or the length of a message, and cannot be edited"))?;
    let is_sound = !value.bytes().any(|byte| byte < b' ' || byte == 0x7f) && value.trim() == value;
    require(is_sound, || format!("the value of {name} holds a control character or begins or ends with a space"))?;
    require(name.len() + value.len() <= FIELD_BYTES_MAX, || format!("the field {name} has over {FIELD_BYTES_MAX} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_would_corrupt_a_message_are_refused() {
        assert!(check_field("X-Ok", "a b").is_ok());
        for (name, value) in
            [("", ""), ("a b", ""), ("x", "a\r\nb: c"), ("Content-Length", "1"), ("transfer-encoding", ""), ("x:", "y")]
        {
            assert!(check_field(name, value).is_err(), "{name:?}: {value:?}");
        }
        assert!(check_field("x", &"y".repeat(FIELD_BYTES_MAX)).is_err());
    }
}
