//! Encodes and decodes desired rules and receipts. A rule set is sent whole, with a hash over its content.

use std::sync::Arc;

use decorators::disable::Disable;
use decorators::selection::Selection;
use mesh::endpoint::Endpoint;
use mesh::routes::route_patterns::Pattern;
use mesh::rule::{
    ANY_METHOD, Action, DISABLE_STATUSES, DesiredRules, Protection, REASON_BYTES_MAX, RULES_MAX, Receipt, Rule, RuleRefusal,
    Scope, Selector, Verdict, prefix_of,
};
use mesh::stable_hash::StableHash;
use mesh::workload::NAME_BYTES_MAX;
use prost::Message as _;
use prost::bytes::Bytes;

use crate::convert::{InvalidMessage, bounded, name, text};
use crate::wire;

/// Pods that one rule may name.
const PODS_MAX: usize = 1024;

/// Bytes of an id that Sitio assigns.
const ID_BYTES_MAX: usize = 64;

/// A rule set for all pods of a service, encoded once for all of them.
#[derive(Debug, Clone)]
pub struct Sealed {
    bytes: Bytes,
    hash: u64,
}

impl Sealed {
    /// Encodes a whole set.
    pub fn new(rules: &DesiredRules) -> Self {
        let desired = desired(rules);
        Self { bytes: desired.encode_to_vec().into(), hash: desired.rules_hash }
    }

    /// The hash of its content.
    pub fn hash(&self) -> u64 {
        self.hash
    }
}

/// Converts the set into a message of the stream.
impl From<&Sealed> for wire::down::Message {
    fn from(sealed: &Sealed) -> Self {
        Self::Desired(sealed.bytes.clone())
    }
}

/// Converts the set into a message of the stream.
impl From<wire::Desired> for wire::down::Message {
    fn from(desired: wire::Desired) -> Self {
        Self::Desired(desired.encode_to_vec().into())
    }
}

/// Decodes the rule set in a message of the stream.
pub fn unsealed(desired: &[u8]) -> Result<wire::Desired, InvalidMessage> {
    wire::Desired::decode(desired).map_err(|why| InvalidMessage::Senseless { field: "desired", why: why.to_string() })
}

/// Converts a whole set to its protobuf type.
pub fn desired(rules: &DesiredRules) -> wire::Desired {
    wire::Desired {
        store: rules.store.clone(),
        from: 0,
        revision: rules.revision,
        rules_hash: rules_hash(&rules.rules),
        put: rules.rules.iter().cloned().map(wire::Rule::from).collect(),
        drop: Vec::new(),
    }
}

/// Validates a whole set. If any rule is invalid, the set is refused, with a reason for each invalid rule.
pub fn desired_rules(desired: wire::Desired) -> Result<DesiredRules, Vec<RuleRefusal>> {
    let set = |why: String| vec![RuleRefusal { rule: String::new(), why }];
    if desired.from != 0 || !desired.drop.is_empty() {
        return Err(set("this sidecar takes whole sets of rules only".into()));
    }
    let put = bounded("rules", desired.put, RULES_MAX).map_err(|why| set(why.to_string()))?;
    let mut rules = Vec::with_capacity(put.len());
    let mut refusals = Vec::new();
    for rule in put {
        let id = rule.id.clone();
        match Rule::try_from(rule) {
            Ok(rule) => rules.push(rule),
            Err(why) => refusals.push(RuleRefusal { rule: id, why: why.to_string() }),
        }
    }
    if !refusals.is_empty() {
        return Err(refusals);
    }
    if rules_hash(&rules) != desired.rules_hash {
        return Err(set("the hash does not fit the rules".into()));
    }
    let store = text("store", desired.store, NAME_BYTES_MAX).map_err(|why| set(why.to_string()))?;
    Ok(DesiredRules { store, revision: desired.revision, rules })
}

/// A hash that in practice differs when two rule sets differ.
///
/// The override of protected paths is left out: a sidecar that does not know it computes the same
/// hash. So it refuses the rule because of the protected path, not because of the hash.
pub fn rules_hash(rules: &[Rule]) -> u64 {
    let mut hash = StableHash::EMPTY;
    let mut add = |part: &[u8]| hash.add(part.iter().copied().chain([0xff]));
    for rule in rules {
        add(rule.id.as_bytes());
        add(rule.selector.namespace.as_bytes());
        add(rule.selector.service.as_bytes());
        rule.selector.pods.iter().for_each(|pod| add(pod.as_bytes()));
        add(rule.endpoint.method().as_bytes());
        add(rule.endpoint.route().as_bytes());
        match &rule.action {
            Action::Disable { status } => add(&status.to_be_bytes()),
            Action::Decorate(action) => add(action.to_json().as_bytes()),
            Action::Pin => add(b"pin"),
        }
        if rule.selection != Selection::default() {
            add(rule.selection.to_json().as_bytes());
        }
        if rule.scope == Scope::Prefix {
            add(b"prefix");
        }
        add(&rule.expires_ms.unwrap_or(0).to_be_bytes());
    }
    hash.value()
}

impl From<Rule> for wire::Rule {
    fn from(rule: Rule) -> Self {
        let disable = |status: u16| wire::Disable { status: u32::from(status), ..wire::Disable::default() };
        let decorate = |action: &decorators::action::Action| {
            wire::rule::Action::Decorate(wire::Decorate {
                action: action.to_json(),
                selection: rule.selection.to_json(),
                prefix: rule.scope == Scope::Prefix,
            })
        };
        let action = match (&rule.action, rule.scope) {
            (Action::Decorate(action), _) => decorate(action),
            // An older sidecar would ignore the selection, and turn the endpoint off for everyone.
            (Action::Disable { status }, _) if rule.turns_off().is_none() => {
                decorate(&decorators::action::Action::Disable(Disable { status: *status }))
            }
            (Action::Disable { status }, Scope::Endpoint) => wire::rule::Action::Disable(disable(*status)),
            (Action::Disable { status }, Scope::Prefix) => wire::rule::Action::DisablePrefix(disable(*status)),
            (Action::Pin, _) => wire::rule::Action::Pin(wire::Pin {}),
        };
        Self {
            id: rule.id,
            selector: Some(wire::Selector {
                namespace: rule.selector.namespace,
                service: rule.selector.service,
                pods: rule.selector.pods,
                ..wire::Selector::default()
            }),
            method: rule.endpoint.method().to_owned(),
            route: rule.endpoint.route().to_owned(),
            action: Some(action),
            expires_ms: rule.expires_ms.unwrap_or(0),
            by: rule.by,
            reason: rule.reason,
            override_protected: rule.protection == Protection::Overridden,
            ..Self::default()
        }
    }
}

impl TryFrom<wire::Rule> for Rule {
    type Error = InvalidMessage;

    fn try_from(rule: wire::Rule) -> Result<Self, InvalidMessage> {
        let selector = rule.selector.ok_or(InvalidMessage::Missing("selector"))?;
        let pods = bounded("selector.pods", selector.pods, PODS_MAX)?;
        let endpoint = Endpoint::named(&rule.method, &rule.route)
            .map_err(|why| InvalidMessage::Senseless { field: "endpoint", why: why.to_string() })?;
        let (action, scope, selection) = action(rule.action, &endpoint)?;
        Ok(Self {
            id: name("id", rule.id, ID_BYTES_MAX)?,
            selector: Selector {
                namespace: name("selector.namespace", selector.namespace, NAME_BYTES_MAX)?,
                service: name("selector.service", selector.service, NAME_BYTES_MAX)?,
                pods: pods.into_iter().map(|pod| name("selector.pods", pod, NAME_BYTES_MAX)).collect::<Result<_, _>>()?,
            },
            endpoint,
            scope,
            action,
            selection,
            protection: if rule.override_protected { Protection::Overridden } else { Protection::Respected },
            expires_ms: (rule.expires_ms > 0).then_some(rule.expires_ms),
            by: text("by", rule.by, NAME_BYTES_MAX)?,
            reason: text("reason", rule.reason, REASON_BYTES_MAX)?,
        })
    }
}

fn action(action: Option<wire::rule::Action>, endpoint: &Endpoint) -> Result<(Action, Scope, Selection), InvalidMessage> {
    let (disable, scope) = match action {
        Some(wire::rule::Action::Decorate(decorate)) => return decorated(&decorate, endpoint),
        Some(wire::rule::Action::Disable(disable)) => (disable, Scope::Endpoint),
        Some(wire::rule::Action::DisablePrefix(disable)) => {
            if prefix_of(endpoint.route()).is_none() {
                return Err(InvalidMessage::Senseless { field: "disable_prefix", why: "its route must end in /*".into() });
            }
            (disable, Scope::Prefix)
        }
        Some(wire::rule::Action::Pin(wire::Pin {})) => {
            let bad = |why: String| InvalidMessage::Senseless { field: "pin", why };
            endpoint.route().parse::<Pattern>().map_err(|why| bad(why.to_string()))?;
            let for_all = endpoint.method() == ANY_METHOD;
            return if for_all {
                Ok((Action::Pin, Scope::Endpoint, Selection::default()))
            } else {
                Err(bad("its method must be *".into()))
            };
        }
        _ => {
            let why = "this sidecar knows only `disable`, `disable_prefix`, `decorate` and `pin`: a newer one may know it".into();
            return Err(InvalidMessage::Senseless { field: "action", why });
        }
    };
    let status = DISABLE_STATUSES.into_iter().find(|status| u32::from(*status) == disable.status);
    let why = || InvalidMessage::Senseless { field: "disable.status", why: format!("it must be one of {DISABLE_STATUSES:?}") };
    Ok((Action::Disable { status: status.ok_or_else(why)? }, scope, Selection::default()))
}

fn decorated(decorate: &wire::Decorate, endpoint: &Endpoint) -> Result<(Action, Scope, Selection), InvalidMessage> {
    let invalid = |why: String| InvalidMessage::Senseless { field: "decorate", why };
    if decorate.prefix && prefix_of(endpoint.route()).is_none() {
        return Err(invalid("its route must end in /*".into()));
    }
    let action = match decorators::action::Action::from_json(&decorate.action).map_err(|why| invalid(why.to_string()))? {
        decorators::action::Action::Disable(Disable { status }) => Action::Disable { status },
        action => Action::Decorate(Arc::new(action)),
    };
    let selection = Selection::from_json(&decorate.selection).map_err(|why| invalid(why.to_string()))?;
    Ok((action, if decorate.prefix { Scope::Prefix } else { Scope::Endpoint }, selection))
}

impl From<Receipt> for wire::Applied {
    fn from(receipt: Receipt) -> Self {
        let rejects = match receipt.verdict {
            Verdict::Applied => None,
            Verdict::Refused(refusals) => Some(refusals),
        };
        Self {
            revision: receipt.revision,
            rules_hash: 0,
            ok: rejects.is_none(),
            rejects: rejects.into_iter().flatten().map(|refusal| wire::Reject { rule: refusal.rule, why: refusal.why }).collect(),
            took_us: u32::try_from(receipt.took_us).unwrap_or(u32::MAX),
        }
    }
}

impl TryFrom<wire::Applied> for Receipt {
    type Error = InvalidMessage;

    fn try_from(applied: wire::Applied) -> Result<Self, InvalidMessage> {
        let refusal = |reject: wire::Reject| {
            Ok(RuleRefusal {
                rule: text("reject.rule", reject.rule, ID_BYTES_MAX)?,
                why: text("reject.why", reject.why, REASON_BYTES_MAX)?,
            })
        };
        let rejects = bounded("rejects", applied.rejects, RULES_MAX)?;
        let verdict = if applied.ok {
            Verdict::Applied
        } else {
            Verdict::Refused(rejects.into_iter().map(refusal).collect::<Result<_, _>>()?)
        };
        Ok(Self { revision: applied.revision, verdict, took_us: u64::from(applied.took_us) })
    }
}

#[cfg(test)]
mod tests;
