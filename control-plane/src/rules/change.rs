//! Builds the change from one revision to the next, with its audit entries.

use std::sync::Arc;
use std::time::Duration;

use mesh::rule::{Action, REASON_BYTES_MAX, Rule};

use crate::model::audit;
use crate::model::audit::{AuditEntry, AuditEvent, AuditSubject, CommandOutcome};
use crate::model::principal::Author;
use crate::model::rule_record::{RuleChange, RuleEnding, RuleRecord};
use crate::model::rules_state::RulesState;
use crate::rules::command::{Command, CommandError};

/// The author of changes that happen by themselves.
const ITSELF: &str = "sitio";

/// Limit of pod names that a refused command leaves in the audit log.
const PODS_NOTED_MAX: usize = 32;

/// Creates a rule. The note says what it overrides.
pub fn creation(state: &RulesState, rule: Rule, note: String, by: &Author, now_ms: u64) -> RuleChange {
    let revision = state.revision + 1;
    let entry = AuditEntry {
        number: state.audit_entries + 1,
        at_ms: now_ms,
        by: rule.by.clone(),
        address: by.address,
        event: events_of(&rule).0,
        rule: Some(rule.id.clone()),
        revision: Some(revision),
        about: AuditSubject::rule(&rule),
        reason: rule.reason.clone(),
        note,
    };
    let record = RuleRecord { rule, revision, created_ms: now_ms, ending: None };
    RuleChange { from: state.revision, to: revision, put: vec![record], drop: Vec::new(), audit: vec![entry] }
}

/// Ends a rule on a user's command.
pub fn withdrawal(state: &RulesState, record: &RuleRecord, outcome: CommandOutcome, by: &Author, now_ms: u64) -> RuleChange {
    let revision = state.revision + 1;
    let mut entry = end_of(record, events_of(&record.rule).1, revision, now_ms);
    entry.number = state.audit_entries + 1;
    (entry.by, entry.address) = (by.name.clone(), by.address);
    let ended = ended(record, RuleEnding { at_ms: now_ms, revision, by: Some(by.name.clone()), outcome: Some(outcome) });
    RuleChange { from: state.revision, to: revision, put: vec![ended], drop: state.crowded_out(1), audit: vec![entry] }
}

/// Ends the rules that have expired.
pub fn lapse(state: &RulesState, expired: &[(CommandOutcome, Arc<RuleRecord>)], now_ms: u64) -> RuleChange {
    let revision = state.revision + 1;
    let entry = |(number, (_, record)): (u64, &(CommandOutcome, Arc<RuleRecord>))| {
        let mut entry = end_of(record, AuditEvent::Lapsed, revision, now_ms);
        entry.number = number;
        let limit_ms = record.rule.expires_ms.unwrap_or(now_ms).saturating_sub(record.created_ms);
        entry.note = format!("Time limit of {} reached", humantime::format_duration(Duration::from_millis(limit_ms)));
        entry
    };
    RuleChange {
        from: state.revision,
        to: revision,
        put: expired
            .iter()
            .map(|(outcome, record)| ended(record, RuleEnding { at_ms: now_ms, revision, by: None, outcome: Some(*outcome) }))
            .collect(),
        drop: state.crowded_out(expired.len()),
        audit: (state.audit_entries + 1..).zip(expired).map(entry).collect(),
    }
}

/// Records a refused command: the rules stay as they are.
pub fn refusal(
    state: &RulesState,
    about: AuditSubject,
    (by, reason): (&Author, &str),
    refused: &CommandError,
    now_ms: u64,
) -> RuleChange {
    let entry = AuditEntry {
        number: state.audit_entries + 1,
        at_ms: now_ms,
        by: by.name.clone(),
        address: by.address,
        event: AuditEvent::Refused,
        rule: None,
        revision: None,
        about,
        reason: cut(reason, REASON_BYTES_MAX),
        note: refused.note(),
    };
    RuleChange { from: state.revision, to: state.revision, audit: vec![entry], ..RuleChange::default() }
}

/// What a command asked for, whether or not it is valid.
pub fn asked(command: &Command, now_ms: u64) -> AuditSubject {
    AuditSubject {
        namespace: cut(command.namespace(), REASON_BYTES_MAX),
        service: cut(&command.service, REASON_BYTES_MAX),
        method: cut(&command.method, REASON_BYTES_MAX),
        route: cut(&command.route, REASON_BYTES_MAX),
        pods: command.pods.iter().take(PODS_NOTED_MAX).map(|pod| cut(pod, REASON_BYTES_MAX)).collect(),
        status: audit::status(&command.action),
        action: audit::describe(&command.action, &command.selection),
        expires_ms: command.ttl.map(|ttl| now_ms.saturating_add(ttl.as_millis() as u64)),
    }
}

/// What is logged when a rule begins, and when a user ends it.
fn events_of(rule: &Rule) -> (AuditEvent, AuditEvent) {
    match rule.action {
        Action::Pin => (AuditEvent::Pinned, AuditEvent::Unpinned),
        Action::Disable { .. } if rule.turns_off().is_some() => (AuditEvent::TurnedOff, AuditEvent::TurnedOn),
        Action::Disable { .. } | Action::Decorate(_) => (AuditEvent::Decorated, AuditEvent::Undecorated),
    }
}

fn end_of(record: &RuleRecord, event: AuditEvent, revision: u64, now_ms: u64) -> AuditEntry {
    AuditEntry {
        number: 0,
        at_ms: now_ms,
        by: ITSELF.to_owned(),
        address: None,
        event,
        rule: Some(record.rule.id.clone()),
        revision: Some(revision),
        about: AuditSubject::rule(&record.rule),
        reason: record.rule.reason.clone(),
        note: String::new(),
    }
}

fn ended(record: &RuleRecord, ending: RuleEnding) -> RuleRecord {
    RuleRecord { ending: Some(ending), ..record.clone() }
}

/// The beginning of a text that was not validated.
fn cut(text: &str, bytes_max: usize) -> String {
    text.char_indices().take_while(|(at, letter)| at + letter.len_utf8() <= bytes_max).map(|(_, letter)| letter).collect()
}
