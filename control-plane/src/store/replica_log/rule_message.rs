//! A change of the rules in their log: plain JSON, with the id by which its publisher recognises it.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::model::audit::AuditEntry;
use crate::model::rule_record::RuleChange;
use crate::store::redb::rule_json::RuleJson;

#[derive(Serialize, Deserialize)]
struct RuleMessage {
    id: u64,
    from: u64,
    to: u64,
    put: Vec<Box<RawValue>>,
    drop: Vec<String>,
    audit: Vec<AuditEntry>,
}

/// Encodes a change.
pub fn encode_rules(id: u64, change: &RuleChange) -> Vec<u8> {
    let RuleChange { from, to, put, drop, audit } = change.clone();
    let raw = |bytes: Vec<u8>| String::from_utf8(bytes).ok().and_then(|text| RawValue::from_string(text).ok());
    let put = put.iter().map(|record| raw(RuleJson::bytes(record)).expect("a rule is JSON")).collect();
    serde_json::to_vec(&RuleMessage { id, from, to, put, drop, audit }).expect("it is made of texts and numbers")
}

/// Decodes the output of [`encode_rules`].
pub fn decode_rules(bytes: &[u8]) -> Result<(u64, RuleChange), String> {
    let RuleMessage { id, from, to, put, drop, audit } = serde_json::from_slice(bytes).map_err(|why| why.to_string())?;
    let put = put.iter().map(|record| RuleJson::read(record.get().as_bytes())).collect::<Result<_, _>>()?;
    Ok((id, RuleChange { from, to, put, drop, audit }))
}
