//! Injects manifests as users write them, refuses those that cannot work, and takes everything back.
#![expect(clippy::unwrap_used, reason = "a test may end by it")]

mod properties;
mod refusals;
mod services;
mod transparent;
mod workloads;
mod yaml;

use inject::manifest::{Outcome, Report, Verdict, inject, uninject};
use inject::settings::InjectionSettings;
use serde::Deserialize;
use serde_json::Value;

/// The documents of a YAML file.
fn documents(yaml: &str) -> Vec<Value> {
    let document = |document| serde_json::to_value(serde_norway::Value::deserialize(document).unwrap()).unwrap();
    serde_norway::Deserializer::from_str(yaml).map(document).collect()
}

/// The documents after the patches of an outcome.
fn patched(documents: &[Value], outcome: &Outcome) -> Vec<Value> {
    let mut documents = documents.to_vec();
    for (document, patch) in documents.iter_mut().zip(&outcome.patches) {
        // Through JSON, as the API server gets it.
        let patch: json_patch::Patch = serde_json::from_str(&serde_json::to_string(patch).unwrap()).unwrap();
        json_patch::patch(document, &patch).unwrap();
    }
    documents
}

/// Injects with the default settings.
fn injected(documents: &[Value]) -> (Vec<Value>, Vec<Report>) {
    let outcome = inject(documents, &InjectionSettings::default());
    (patched(documents, &outcome), outcome.reports)
}

/// Takes the injection back.
fn uninjected(documents: &[Value]) -> Vec<Value> {
    patched(documents, &uninject(documents))
}

/// The only report, which refuses.
#[track_caller]
fn refusal(yaml: &str) -> String {
    let documents = documents(yaml);
    let (after, reports) = injected(&documents);
    assert_eq!(after, documents, "what is refused stays as it is");
    match &reports[..] {
        [Report { verdict: Verdict::Refused(refusal), .. }] => refusal.to_string(),
        other => panic!("not one refusal: {other:?}"),
    }
}
