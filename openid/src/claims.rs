//! What the claims of a token say: values and roles, where providers put them.

use std::collections::BTreeSet;

use serde_json::Value;

/// Roles of a user that are looked at. A provider may send hundreds of groups.
const ROLES_MAX: usize = 2000;

/// The value at a path into the claims such as `realm_access.roles`.
///
/// A key may have dots itself, as in `https://example.com/roles`, so the whole path is tried as a key first.
pub fn value_at<'a>(claims: &'a Value, path: &str) -> Option<&'a Value> {
    claims.get(path).or_else(|| path.split('.').try_fold(claims, |value, key| value.get(key)))
}

/// The provider's roles of a user, at a path into the claims; `None` if it leads nowhere.
pub fn roles_at(claims: &Value, path: &str) -> Option<BTreeSet<String>> {
    match value_at(claims, path)? {
        Value::String(role) => Some(BTreeSet::from([role.clone()])),
        Value::Array(roles) => Some(roles.iter().take(ROLES_MAX).filter_map(Value::as_str).map(str::to_owned).collect()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn roles_are_found_where_providers_put_them() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let claims = json!({
            "realm_access": { "roles": ["a", "b", 7] }, "groups": "c", "https://example.com/roles": ["d"], "empty": {}
        });
        assert_eq!(roles_at(&claims, "realm_access.roles"), Some(names(&["a", "b"])));
        assert_eq!(roles_at(&claims, "groups"), Some(names(&["c"])));
        assert_eq!(roles_at(&claims, "https://example.com/roles"), Some(names(&["d"])));
        for path in ["empty", "nothing", "groups.roles", "realm_access.roles.a", ""] {
            assert_eq!(roles_at(&claims, path), None, "{path}");
        }
    }
}
