//! The on-disk form of a rule: plain JSON, readable without Sitio, and validated when it is read.

use std::sync::Arc;

use decorators::action;
use decorators::selection::Selection;
use mesh::endpoint::Endpoint;
use mesh::rule::{Action, Protection, Rule, Scope, Selector, prefix_of};
use serde::{Deserialize, Serialize};

use crate::model::audit::CommandOutcome;
use crate::model::rule_record::{RuleEnding, RuleRecord};

/// One rule on disk.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::store) struct RuleJson {
    id: String,
    revision: u64,
    created_ms: u64,
    namespace: String,
    service: String,
    pods: Vec<String>,
    method: String,
    route: String,
    /// Absent in older records, and where the rule is about one endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scope: Option<ScopeJson>,
    action: ActionJson,
    /// Absent where the rule applies to all requests.
    #[serde(default, skip_serializing_if = "is_default")]
    selection: Selection,
    /// Absent where protected paths are respected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    override_protected: Option<bool>,
    expires_ms: Option<u64>,
    by: String,
    reason: String,
    ending: Option<EndingJson>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ActionJson {
    Disable { status: u16 },
    Decorate(Box<action::Action>),
    Pin,
}

fn is_default(selection: &Selection) -> bool {
    *selection == Selection::default()
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ScopeJson {
    Prefix,
}

#[derive(Debug, Serialize, Deserialize)]
struct EndingJson {
    at_ms: u64,
    revision: u64,
    by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    outcome: Option<CommandOutcome>,
}

impl RuleJson {
    pub(in crate::store) fn bytes(record: &RuleRecord) -> Vec<u8> {
        let RuleRecord { rule, revision, created_ms, ending } = record.clone();
        let action = match rule.action {
            Action::Disable { status } => ActionJson::Disable { status },
            Action::Decorate(action) => ActionJson::Decorate(Box::new(Arc::unwrap_or_clone(action))),
            Action::Pin => ActionJson::Pin,
        };
        let written = Self {
            id: rule.id,
            revision,
            created_ms,
            namespace: rule.selector.namespace,
            service: rule.selector.service,
            pods: rule.selector.pods,
            method: rule.endpoint.method().to_owned(),
            route: rule.endpoint.route().to_owned(),
            scope: match rule.scope {
                Scope::Endpoint => None,
                Scope::Prefix => Some(ScopeJson::Prefix),
            },
            action,
            selection: rule.selection,
            override_protected: (rule.protection == Protection::Overridden).then_some(true),
            expires_ms: rule.expires_ms,
            by: rule.by,
            reason: rule.reason,
            ending: ending.map(|RuleEnding { at_ms, revision, by, outcome }| EndingJson { at_ms, revision, by, outcome }),
        };
        serde_json::to_vec(&written).expect("a rule is made of texts and numbers")
    }

    pub(in crate::store) fn read(bytes: &[u8]) -> Result<RuleRecord, String> {
        let written: Self = serde_json::from_slice(bytes).map_err(|why| why.to_string())?;
        let action = match written.action {
            ActionJson::Disable { status } => Action::Disable { status },
            ActionJson::Decorate(action) => Action::Decorate(Arc::new(*action)),
            ActionJson::Pin => Action::Pin,
        };
        let endpoint = Endpoint::named(&written.method, &written.route).map_err(|why| why.to_string())?;
        let scope = match written.scope {
            None => Scope::Endpoint,
            Some(ScopeJson::Prefix) if prefix_of(endpoint.route()).is_some() => Scope::Prefix,
            Some(ScopeJson::Prefix) => return Err(format!("the route {} is not a prefix pattern", endpoint.route())),
        };
        let rule = Rule {
            id: written.id,
            selector: Selector { namespace: written.namespace, service: written.service, pods: written.pods },
            endpoint,
            scope,
            action,
            selection: written.selection,
            protection: if written.override_protected == Some(true) { Protection::Overridden } else { Protection::Respected },
            expires_ms: written.expires_ms,
            by: written.by,
            reason: written.reason,
        };
        let ending = written.ending;
        let ending = ending.map(|EndingJson { at_ms, revision, by, outcome }| RuleEnding { at_ms, revision, by, outcome });
        Ok(RuleRecord { rule, revision: written.revision, created_ms: written.created_ms, ending })
    }
}
