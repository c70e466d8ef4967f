//! Which notices a route or an entry of `ignore` is about.

use serde::{Deserialize, Deserializer};

use crate::model::notice::{NoticeCondition, NoticeSubject};

/// Names in one list of the file.
const NAMES_MAX: usize = 200;

/// Selects notices by namespace, service and condition; a list that is absent selects all.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubjectMatcher {
    /// The namespaces.
    pub namespaces: Option<Patterns>,
    /// The services.
    pub services: Option<Patterns>,
    /// The conditions.
    pub conditions: Option<Vec<NoticeCondition>>,
}

impl SubjectMatcher {
    /// Whether a notice about this is selected.
    pub fn matches(&self, subject: &NoticeSubject) -> bool {
        let all = |patterns: &Option<Patterns>, name: &str| patterns.as_ref().is_none_or(|patterns| patterns.match_name(name));
        all(&self.namespaces, &subject.namespace)
            && all(&self.services, &subject.service)
            && self.conditions.as_ref().is_none_or(|conditions| conditions.contains(&subject.condition))
    }
}

/// Names; a star at the end stands for any rest.
#[derive(Debug)]
pub struct Patterns(Vec<String>);

impl Patterns {
    fn match_name(&self, name: &str) -> bool {
        self.0.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(begin) => name.starts_with(begin),
            None => name == pattern,
        })
    }
}

impl<'de> Deserialize<'de> for Patterns {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        let is_pattern = |name: &String| !name.is_empty() && !name.trim_end_matches('*').contains('*');
        if names.is_empty() || names.len() > NAMES_MAX || !names.iter().all(is_pattern) {
            let why = format!("the list must have 1 to {NAMES_MAX} names, with a star only at the end: leave it out for all");
            return Err(serde::de::Error::custom(why));
        }
        Ok(Self(names))
    }
}
