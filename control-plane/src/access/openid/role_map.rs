//! What the roles and groups of an OpenID provider are worth here: `admins=operator,shop-team=operator:shop+cart`.

use std::collections::BTreeSet;
use std::str::FromStr;

use crate::model::principal::Role;

/// Which of the provider's roles give which role here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoleMap(Vec<RoleRule>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct RoleRule {
    theirs: String,
    grant: Grant,
}

/// A role, and the namespaces that it is for; `None` for all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The role.
    pub role: Role,
    /// The namespaces.
    pub namespaces: Option<BTreeSet<String>>,
}

impl RoleMap {
    /// Whether it gives no role at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The highest role that the provider's roles give, for the namespaces of all that give it.
    pub fn grant(&self, theirs: &BTreeSet<String>) -> Option<Grant> {
        let mut best: Option<Grant> = None;
        for rule in self.0.iter().filter(|rule| theirs.contains(&rule.theirs)) {
            best = Some(match best {
                Some(best) if best.role > rule.grant.role => best,
                Some(best) if best.role == rule.grant.role => best.joined(&rule.grant),
                _ => rule.grant.clone(),
            });
        }
        best
    }
}

impl Grant {
    fn joined(self, other: &Self) -> Self {
        let namespaces = self.namespaces.zip(other.namespaces.clone()).map(|(mut own, more)| {
            own.extend(more);
            own
        });
        Self { namespaces, ..self }
    }
}

impl FromStr for RoleMap {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rules = text.split(',').map(str::trim).filter(|rule| !rule.is_empty());
        rules.map(RoleRule::from_str).collect::<Result<_, _>>().map(Self)
    }
}

impl FromStr for RoleRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text}: write the provider's role, =, and viewer or operator, perhaps with :namespace+namespace");
        // The provider's names may have an equals sign (LDAP), ours have none.
        let (theirs, ours) = text.rsplit_once('=').ok_or_else(wrong)?;
        let (role, namespaces) = match ours.split_once(':') {
            Some((role, namespaces)) => (role, Some(namespaces.split('+').map(|name| name.trim().to_owned()).collect())),
            None => (ours, None),
        };
        let role = match role.trim() {
            "viewer" => Role::Viewer,
            "operator" => Role::Operator,
            _ => return Err(wrong()),
        };
        if theirs.trim().is_empty() || namespaces.as_ref().is_some_and(|names: &BTreeSet<String>| names.contains("")) {
            return Err(wrong());
        }
        Ok(Self { theirs: theirs.trim().to_owned(), grant: Grant { role, namespaces } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn the_highest_role_holds_for_the_namespaces_of_all_that_give_it() {
        let map: RoleMap = "all=viewer, shop=operator:shop+cart, bank=operator:bank, cn=admins=operator".parse().unwrap();
        let grant = |theirs: &[&str]| map.grant(&names(theirs));
        let operator = |of: &[&str]| Some(Grant { role: Role::Operator, namespaces: Some(names(of)) });
        assert_eq!(grant(&["all"]), Some(Grant { role: Role::Viewer, namespaces: None }));
        assert_eq!(grant(&["all", "shop"]), operator(&["shop", "cart"]));
        assert_eq!(grant(&["shop", "bank", "all"]), operator(&["shop", "cart", "bank"]));
        assert_eq!(grant(&["shop", "cn=admins"]), Some(Grant { role: Role::Operator, namespaces: None }));
        assert_eq!(grant(&["other", ""]), None);
        for text in ["admins", "admins=root", "=viewer", "a=viewer:", "a=viewer:shop+", "a=Viewer"] {
            assert!(text.parse::<RoleMap>().unwrap_err().contains("viewer or operator"), "{text}");
        }
    }
}
