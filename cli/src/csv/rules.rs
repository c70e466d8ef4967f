//! The rules in force as CSV, and the receipts of the pods for one rule.

use api::rules::{Receipt, ReceiptState, Rule};
use format::csv::{CsvCell, text};

use crate::csv::{name, number, some, words};

const HEADS: [&str; 18] = [
    "rule",
    "revision",
    "namespace",
    "service",
    "method",
    "route",
    "action",
    "status",
    "state",
    "acted",
    "shadowed",
    "failed",
    "applied",
    "of",
    "created_at",
    "expires_at",
    "by",
    "reason",
];

const RECEIPT_HEADS: [&str; 6] = ["rule", "pod", "state", "took_ms", "heard_at", "why"];

/// One line for each rule.
pub(crate) fn file(rules: &[Rule]) -> String {
    text(&HEADS, rules.iter().map(row))
}

/// One line for each pod that a rule applies to.
pub(crate) fn receipts(rule: &Rule) -> String {
    text(&RECEIPT_HEADS, rule.pods.iter().map(|receipt| receipt_row(rule, receipt)))
}

fn row(rule: &Rule) -> Vec<CsvCell> {
    let there = rule.pods.iter().filter(|receipt| receipt.state != ReceiptState::Gone);
    let applied = there.clone().filter(|receipt| receipt.state == ReceiptState::Applied).count();
    let (action, status) = (rule.action.name(), rule.action.disable_status());
    vec![
        words(&rule.id),
        number(rule.revision),
        words(&rule.namespace),
        words(&rule.service),
        words(&rule.method),
        words(&rule.route),
        words(action),
        CsvCell::number(status),
        name(&rule.state),
        number(rule.acted),
        number(rule.shadowed),
        number(rule.failed),
        number(applied),
        number(there.count()),
        words(&rule.created_at),
        some(rule.expires_at.as_deref()),
        words(&rule.by),
        words(&rule.reason),
    ]
}

fn receipt_row(rule: &Rule, receipt: &Receipt) -> Vec<CsvCell> {
    vec![
        words(&rule.id),
        words(&receipt.pod),
        name(&receipt.state),
        CsvCell::number(receipt.took_ms),
        some(receipt.heard_at.as_deref()),
        some(receipt.why.as_deref()),
    ]
}
