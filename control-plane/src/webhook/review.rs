//! Answers one AdmissionReview of the Kubernetes API (admission.k8s.io/v1).

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use inject::manifest::{Verdict, inject};
use inject::settings::InjectionSettings;
use serde_json::{Value, json};

/// The longest uid that is sent back, in bytes. The API server's are UUIDs, of 36.
const UID_BYTES_MAX: usize = 128;

/// The longest warning, in bytes: the API server shortens longer ones.
const WARNING_BYTES_MAX: usize = 250;

/// Why a review cannot be answered.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unanswerable {
    /// It is not JSON, or nested too deeply.
    #[error("it is not JSON: {0}")]
    NotJson(String),
    /// It is another object.
    #[error("it is {0}, not an AdmissionReview of admission.k8s.io/v1; set admissionReviewVersions to [v1]")]
    NotAReview(String),
    /// It has no request with a uid.
    #[error("it has no request.uid of 1 to {UID_BYTES_MAX} bytes, which the answer must repeat")]
    NoUid,
}

/// The review with its answer. The pod is always allowed, with a patch if it gets a sidecar.
pub(crate) fn answer(body: &[u8], settings: &InjectionSettings) -> Result<Value, Unanswerable> {
    let review: Value = serde_json::from_slice(body).map_err(|error| Unanswerable::NotJson(error.to_string()))?;
    let (version, kind) = (review["apiVersion"].as_str(), review["kind"].as_str());
    if (version, kind) != (Some("admission.k8s.io/v1"), Some("AdmissionReview")) {
        let is = format!("{} {}", version.unwrap_or("(no apiVersion)"), kind.unwrap_or("(no kind)"));
        return Err(Unanswerable::NotAReview(is.chars().take(UID_BYTES_MAX).collect()));
    }
    let request = &review["request"];
    let uid = request["uid"].as_str().filter(|uid| (1..=UID_BYTES_MAX).contains(&uid.len())).ok_or(Unanswerable::NoUid)?;
    let mut response = json!({"uid": uid, "allowed": true});
    let requested = (&request["kind"]["group"], &request["kind"]["kind"], &request["operation"]);
    if requested != (&json!(""), &json!("Pod"), &json!("CREATE")) {
        response["warnings"] =
            json!(["sitio: nothing was injected: only new pods are; limit the webhook's rules to CREATE of pods"]);
        return Ok(reviewed(response));
    }
    let mut outcome = inject(std::slice::from_ref(&request["object"]), settings);
    let patch = outcome.patches.swap_remove(0);
    if !patch.0.is_empty() {
        let patch = serde_json::to_vec(&patch).expect("a patch is made of JSON values");
        response["patchType"] = "JSONPatch".into();
        response["patch"] = BASE64_STANDARD.encode(patch).into();
    }
    for report in &outcome.reports {
        match &report.verdict {
            Verdict::Refused(refusal) => response["warnings"] = json!([warning(&format!("sitio: no sidecar: {refusal}"))]),
            Verdict::Changed => response["auditAnnotations"] = json!({"injected": report.remarks.first()}),
            Verdict::Unchanged(why) => response["auditAnnotations"] = json!({"unchanged": why}),
            Verdict::ToDo => {}
        }
        tracing::debug!(pod = report.place, namespace = %request["namespace"], verdict = ?report.verdict, "reviewed");
    }
    Ok(reviewed(response))
}

fn reviewed(response: Value) -> Value {
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response})
}

/// The text without control characters, which a header of the API server's response cannot hold, and not too long.
fn warning(text: &str) -> String {
    let text: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    text[..text.floor_char_boundary(WARNING_BYTES_MAX)].to_owned()
}
