//! What the claims of a user must have, and which of them become fields of the request.

use std::collections::BTreeMap;
use std::fmt::Write;

use openid::claims::{roles_at, value_at};
use serde_json::Value;

use crate::decorator::AddedField;
use crate::decorator::request::Request;

/// Where Keycloak puts the roles of the realm.
const REALM_ROLES: &str = "realm_access.roles";

/// Bytes of one field's value. Services refuse a head that is much larger.
const VALUE_BYTES_MAX: usize = 4 * 1024;

/// Roles and scopes that are required, and claims that the service gets.
#[derive(Debug)]
pub(super) struct ClaimRules {
    /// The path of a list in the claims, and what it must have.
    required: Vec<(String, Vec<String>)>,
    scopes: Vec<String>,
    forward: BTreeMap<String, String>,
}

/// Why a user whose claims are genuine is not let through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ClaimFault {
    /// A role or a scope is missing.
    Missing,
    /// A claim is too large for a field.
    TooLarge(String),
}

impl ClaimRules {
    pub(super) fn new(
        roles: &[String],
        client_roles: &BTreeMap<String, Vec<String>>,
        scopes: &[String],
        forward: &BTreeMap<String, String>,
    ) -> Self {
        let realm = (REALM_ROLES.to_owned(), roles.to_vec());
        let of_clients = client_roles.iter().map(|(client, roles)| (client.clone(), roles.clone()));
        let required = std::iter::once(realm).filter(|(_, roles)| !roles.is_empty()).chain(of_clients).collect();
        Self { required, scopes: scopes.to_vec(), forward: forward.clone() }
    }

    /// Removes the client's own fields of these names. A hyphen and an underscore are the same to many services: those that
    /// follow CGI (RFC 3875, section 4.1.18) read both as `HTTP_X_USER`.
    pub(super) fn strip(&self, request: &mut Request<'_>) {
        if self.forward.is_empty() {
            return;
        }
        for field in request.head().fields {
            if self.forward.keys().any(|name| is_alike(name, field.name)) {
                request.remove(field.name.to_owned());
            }
        }
    }

    /// The fields for the service, if the claims have what is required.
    pub(super) fn fields(&self, claims: &Value) -> Result<Vec<AddedField>, ClaimFault> {
        let scopes = claims.get("scope").and_then(Value::as_str).unwrap_or_default();
        let has_scope = |wanted: &String| scopes.split(' ').any(|scope| scope == wanted);
        if !self.required.iter().all(|(path, wanted)| has_roles(claims, path, wanted)) || !self.scopes.iter().all(has_scope) {
            return Err(ClaimFault::Missing);
        }
        let mut fields = Vec::with_capacity(self.forward.len());
        for (name, path) in &self.forward {
            let Some(value) = value_at(claims, path).and_then(as_field) else { continue };
            if value.len() > VALUE_BYTES_MAX {
                return Err(ClaimFault::TooLarge(path.clone()));
            }
            fields.push((name.clone().into(), value.into()));
        }
        Ok(fields)
    }

    /// Whether the claims say anything of all that is required and passed on.
    pub(super) fn has_paths(&self, claims: &Value) -> bool {
        let has_roles = |path: &str| match path {
            REALM_ROLES => value_at(claims, path).is_some(),
            client => claims.get("resource_access").and_then(|all| all.get(client)).is_some(),
        };
        self.required.iter().all(|(path, _)| has_roles(path))
            && self.forward.values().all(|path| value_at(claims, path).is_some())
    }

    /// What is required, as the scope of a challenge (RFC 6750, section 3).
    pub(super) fn scope(&self) -> String {
        self.scopes.join(" ")
    }
}

fn has_roles(claims: &Value, path: &str, wanted: &[String]) -> bool {
    let roles = match path {
        REALM_ROLES => roles_at(claims, path),
        // The id of a client may have dots.
        client => claims.get("resource_access").and_then(|all| all.get(client)).and_then(|client| roles_at(client, "roles")),
    };
    roles.is_some_and(|roles| wanted.iter().all(|role| roles.contains(role)))
}

fn is_alike(one: &str, other: &str) -> bool {
    let folded = |byte: u8| if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
    one.len() == other.len() && one.bytes().map(folded).eq(other.bytes().map(folded))
}

/// A claim as the value of a field: a text, a number, a truth, or a list of them with commas. Whatever is no visible ASCII is
/// percent-encoded, so that no claim can forge a field or an entry of a list.
fn as_field(claim: &Value) -> Option<String> {
    match claim {
        Value::Null | Value::Object(_) => None,
        Value::Array(entries) => Some(entries.iter().filter_map(scalar).collect::<Vec<_>>().join(",")),
        scalar_claim => scalar(scalar_claim),
    }
}

fn scalar(claim: &Value) -> Option<String> {
    let text = match claim {
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Bool(_) => claim.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    let mut encoded = String::with_capacity(text.len());
    for (at, byte) in text.bytes().enumerate() {
        let is_inner_space = byte == b' ' && at > 0 && at + 1 < text.len();
        let is_plain = (byte.is_ascii_graphic() && !b"%,".contains(&byte)) || is_inner_space;
        let _ = if is_plain { write!(encoded, "{}", byte as char) } else { write!(encoded, "%{byte:02X}") };
    }
    Some(encoded)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rules(json: Value) -> ClaimRules {
        let list = |name: &str| -> Vec<String> { serde_json::from_value(json[name].clone()).unwrap_or_default() };
        let clients = serde_json::from_value(json["client_roles"].clone()).unwrap_or_default();
        let forward = serde_json::from_value(json["forward"].clone()).unwrap_or_default();
        ClaimRules::new(&list("roles"), &clients, &list("scopes"), &forward)
    }

    #[test]
    fn all_roles_and_scopes_are_required() {
        let rules = rules(json!({"roles": ["a", "b"], "client_roles": {"shop.web": ["read"]}, "scopes": ["orders"]}));
        let claims = |realm: Value, client: Value, scope: Value| json!({"realm_access": {"roles": realm}, "resource_access": {"shop.web": {"roles": client}}, "scope": scope});
        assert_eq!(rules.fields(&claims(json!(["b", "a", "c"]), json!(["read"]), json!("openid orders"))), Ok(vec![]));
        for wrong in [
            claims(json!(["a"]), json!(["read"]), json!("orders")),
            claims(json!(["a", "b"]), json!(["reads"]), json!("orders")),
            claims(json!(["a", "b"]), json!(["read"]), json!("orders2")),
            claims(json!({"a": 1, "b": 1}), json!(["read"]), json!("orders")),
            claims(json!("a b"), json!(["read"]), json!("orders")),
            json!({"scope": "orders", "roles": ["a", "b"]}),
            json!([]),
        ] {
            assert_eq!(rules.fields(&wrong), Err(ClaimFault::Missing), "{wrong}");
        }
    }

    #[test]
    fn a_claim_can_forge_neither_a_field_nor_an_entry() {
        let rules = rules(json!({"forward": {"X-A": "a"}}));
        let field =
            |claim: Value| rules.fields(&json!({ "a": claim })).map(|fields| fields.first().map(|(_, value)| value.to_string()));
        assert_eq!(field(json!("x\r\nX-Admin: 1")), Ok(Some("x%0D%0AX-Admin: 1".to_owned())));
        assert_eq!(
            field(json!(["a,b", " c d ", "100%", 7, true, {}, null])),
            Ok(Some("a%2Cb,%20c d%20,100%25,7,true".to_owned()))
        );
        assert_eq!(field(json!("Jürgen")), Ok(Some("J%C3%BCrgen".to_owned())));
        assert_eq!((field(json!({"b": 1})), field(json!(null))), (Ok(None), Ok(None)));
        assert_eq!(field(json!("x".repeat(VALUE_BYTES_MAX + 1))), Err(ClaimFault::TooLarge("a".to_owned())));
        assert!(is_alike("X-User", "x_uSER") && !is_alike("X-User", "X-Users"));
    }
}
