//! Checks the table of API operations against the description that the control plane serves.

use scenario::control_plane::ControlPlane;
use scenario::openapi::Description;

use crate::section::{check, table};

#[test]
fn the_operations_of_the_api_are_documented() {
    let control_plane = ControlPlane::start();
    let description = Description { document: control_plane.api().json("/api/v1/openapi.json").unwrap() };
    let rows = description.operations().into_iter().map(|operation| {
        let pointer = &description.document["paths"][&operation.path][operation.method.to_lowercase()];
        let parameters = operation.parameters().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let summary = pointer["summary"].as_str().unwrap_or_default().to_owned();
        vec![format!("`{} {}`", operation.method, operation.path), parameters, summary]
    });
    check("api.md", "/api/v1/openapi.json", &table(&["operation", "query", "what it does"], rows));
}
