//! `/api/v1/openapi.json`: the OpenAPI document, generated from the handlers and from the types of the API.

use std::sync::LazyLock;

use axum::http::header;
use axum::response::IntoResponse;
use serde_json::{Map, Value, json};
use utoipa::OpenApi;

use crate::api::{
    audit, callers, endpoints, history, metrics, notifications, pods, probes, routes, rules, status, tap, timeline,
};

/// Examples by the name of their schema; a test sends or reads each.
const EXAMPLES: &str = include_str!("examples.json");

/// Responses of every operation that needs the token.
const ACCESS_DENIED: [(&str, &str); 2] = [
    ("401", "The control plane needs a sign-in, and the request has no token, or a wrong one."),
    (
        "403",
        "The host name is not allowed, the request comes from a page of another origin, or the role does not allow it: commands need the role operator of the namespace, and `/metrics` needs all namespaces.",
    ),
];

/// Paths that need no token.
const OPEN: [&str; 2] = ["/livez", "/readyz"];

/// The document, generated at the first request.
static DOCUMENT: LazyLock<String> = LazyLock::new(|| document_of(&Operations::openapi()).to_string());

/// The operations; the types that they name follow.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Sitio",
        version = "1",
        description = "The metrics of the mesh by endpoint, and rules that turn an endpoint off on every pod. On loopback the API is open; elsewhere it needs a token, whose role and namespaces limit what it sees and commands. After ten wrong tokens an address gets 429 with Retry-After; a request with two Host headers gets 400; both are problem+json."
    ),
    paths(
        status::about,
        endpoints::list,
        callers::of_endpoint,
        history::of_endpoint,
        timeline::of_endpoints,
        status::status,
        tap::events,
        notifications::list,
        notifications::test,
        pods::list,
        audit::list,
        rules::list,
        rules::create,
        rules::one,
        rules::withdraw,
        rules::resend,
        routes::list,
        routes::create,
        routes::one,
        routes::withdraw,
        document,
        metrics::metrics,
        probes::live,
        probes::ready
    ),
    components(schemas(api::problem::Problem, api::notifications::NotificationMessage))
)]
struct Operations;

/// Returns this document.
#[utoipa::path(
    get,
    path = "/api/v1/openapi.json",
    operation_id = "getDescription",
    responses((status = 200, description = "OpenAPI 3.1.", body = Object, content_type = "application/json"))
)]
pub(super) async fn document() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.as_str())
}

/// The generated document with what is the same for all operations: access, problems, required properties, examples.
fn document_of(generated: &utoipa::openapi::OpenApi) -> Value {
    let mut document = serde_json::to_value(generated).expect("a document is JSON");
    let examples: Map<String, Value> = serde_json::from_str(EXAMPLES).expect("examples.json is a JSON object");
    document["security"] = json!([{}, {"token": []}]);
    document["components"]["securitySchemes"] = json!({"token": {"type": "http", "scheme": "bearer"}});
    document["components"]["schemas"]["Problem"]["example"] = examples["Problem"].clone();
    objects_of(&mut document["components"]["schemas"]).for_each(|(_, schema)| require_all(schema));
    join_lines(&mut document);
    for (path, item) in objects_of(&mut document["paths"]) {
        let operations = objects_of(item).filter(|(_, operation)| operation.get("responses").is_some());
        for (_, operation) in operations {
            complete(operation, path, &examples);
        }
    }
    document
}

/// Joins the lines of comments, which are wrapped in the sources; paragraphs stay.
fn join_lines(value: &mut Value) {
    match value {
        Value::Object(properties) => {
            for (name, value) in properties {
                match value {
                    Value::String(text) if name == "summary" || name == "description" => {
                        *text = text.split("\n\n").map(|paragraph| paragraph.replace('\n', " ")).collect::<Vec<_>>().join("\n\n");
                    }
                    value => join_lines(value),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(join_lines),
        _ => {}
    }
}

/// Requires all properties, null or not: a response always has them. Request bodies, which allow no other properties, and
/// schemas with optional properties of their own are left as they are.
fn require_all(schema: &mut Value) {
    if schema.get("additionalProperties") == Some(&Value::Bool(false)) || schema["example"]["type"].is_string() {
        return;
    }
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        let names: Vec<_> = properties.keys().cloned().collect();
        schema["required"] = json!(names);
    }
}

/// Adds examples, the content of errors, and the responses of the access check.
fn complete(operation: &mut Value, path: &str, examples: &Map<String, Value>) {
    if OPEN.contains(&path) {
        operation["security"] = json!([]);
    } else {
        for (status, description) in ACCESS_DENIED {
            operation["responses"][status] = json!({"description": description});
        }
    }
    for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
        // A range excludes a window.
        if path == "/api/v1/endpoints" && ["from", "to"].iter().any(|name| parameter["name"] == *name) {
            parameter["x-in-place-of"] = json!("window");
        }
    }
    if let Some(body) = operation.get_mut("requestBody") {
        add_example(body, examples);
    }
    for (status, response) in objects_of(&mut operation["responses"]) {
        if status >= "400" && response.get("content").is_none() {
            let schema = json!({"$ref": "#/components/schemas/Problem"});
            response["content"] = json!({"application/problem+json": {"schema": schema}});
        } else {
            add_example(response, examples);
        }
    }
}

/// Adds the example of the schema that the JSON content refers to.
fn add_example(holder: &mut Value, examples: &Map<String, Value>) {
    let Some(content) = holder["content"].get_mut("application/json") else { return };
    let name = content["schema"]["$ref"].as_str().and_then(|reference| reference.rsplit('/').next());
    if let Some(example) = name.and_then(|name| examples.get(name)) {
        content["example"] = example.clone();
    }
}

/// The properties of an object; none of another value.
fn objects_of(value: &mut Value) -> impl Iterator<Item = (&str, &mut Value)> {
    value.as_object_mut().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_has_a_schema() {
        let document = document_of(&Operations::openapi());
        let examples: Map<String, Value> = serde_json::from_str(EXAMPLES).unwrap();
        for name in examples.keys() {
            assert!(document["components"]["schemas"].get(name).is_some(), "{name}");
        }
    }
}
