//! Reads the API's OpenAPI description: its operations, examples and schemas.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::process::file;

/// An OpenAPI description.
pub struct Description {
    /// The whole document.
    pub document: Value,
}

/// One operation.
#[derive(Debug, Clone)]
pub struct Operation {
    /// The HTTP method, in capitals.
    pub method: String,
    /// The path with its parameters in braces.
    pub path: String,
    described: Value,
    parameters: Vec<Value>,
}

/// A value that must match a schema of the description.
#[derive(Debug)]
pub struct Claim {
    name: String,
    schema: String,
    value: Value,
}

impl Description {
    /// Every operation, in the order of the document.
    pub fn operations(&self) -> Vec<Operation> {
        let paths = self.document["paths"].as_object().expect("a description has paths");
        let mut operations = Vec::new();
        for (path, item) in paths {
            let shared = item["parameters"].as_array().cloned().unwrap_or_default();
            for method in ["get", "post", "put", "patch", "delete"] {
                let Some(described) = item.get(method) else { continue };
                let own = described["parameters"].as_array().cloned().unwrap_or_default();
                let parameters = [shared.clone(), own].concat();
                operations.push(Operation {
                    method: method.to_uppercase(),
                    path: path.clone(),
                    described: described.clone(),
                    parameters,
                });
            }
        }
        operations
    }

    /// The errors in the description itself and in the claims.
    #[track_caller]
    pub fn wrong(&self, claims: &[Claim]) -> Vec<String> {
        let values: Vec<_> =
            claims.iter().map(|claim| json!({"name": claim.name, "schema": claim.schema, "value": claim.value})).collect();
        let input = json!({"document": self.document, "values": values}).to_string();
        let mut node = Command::new("node")
            .arg(file("services/openapi.mjs"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node is installed by tests/install");
        let mut pipe = node.stdin.take().expect("stdin is piped");
        pipe.write_all(input.as_bytes()).expect("node reads its input");
        drop(pipe);
        let output = node.wait_with_output().expect("node ends");
        let wrong: Vec<_> = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
        assert_eq!(output.status.success(), wrong.is_empty(), "the check itself has failed: {}: {wrong:?}", output.status);
        wrong
    }
}

impl Operation {
    /// The status of a successful response; the highest, because a 200 beside a 201 answers a dry run.
    #[track_caller]
    pub fn status(&self) -> u16 {
        let statuses = self.described["responses"].as_object().expect("an operation has responses").keys();
        let success = statuses.filter_map(|status| status.parse().ok()).filter(|status| (200..300).contains(status)).max();
        success.unwrap_or_else(|| panic!("{} {} never succeeds", self.method, self.path))
    }

    /// The example of a successful response, if it is JSON.
    pub fn answer(&self) -> Option<&Value> {
        self.described["responses"][self.status().to_string()]["content"]["application/json"].get("example")
    }

    /// Whether a successful response is JSON.
    pub fn answers_json(&self) -> bool {
        self.described["responses"][self.status().to_string()]["content"].get("application/json").is_some()
    }

    /// The example of the request body, if the operation has one.
    #[track_caller]
    pub fn body(&self) -> Option<&Value> {
        let body = self.described.get("requestBody")?;
        let example = body["content"]["application/json"].get("example");
        Some(example.unwrap_or_else(|| panic!("{} {} has no example of its body", self.method, self.path)))
    }

    /// Path and query, built from the examples of all parameters.
    #[track_caller]
    pub fn target(&self) -> String {
        let (mut path, mut query) = (self.path.clone(), Vec::new());
        // Uses only the first of parameters that exclude each other.
        for parameter in self.parameters.iter().filter(|parameter| parameter.get("x-in-place-of").is_none()) {
            let name = parameter["name"].as_str().expect("a parameter has a name");
            let example = match parameter.get("example") {
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
                None => panic!("{} {}: the parameter {name} has no example", self.method, self.path),
            };
            if parameter["in"] == "path" {
                path = path.replace(&format!("{{{name}}}"), &example);
            } else {
                query.push(format!("{name}={example}"));
            }
        }
        if query.is_empty() { path } else { format!("{path}?{}", query.join("&")) }
    }

    /// The names of the parameters in the query.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        let in_query = self.parameters.iter().filter(|parameter| parameter["in"] == "query");
        in_query.filter_map(|parameter| parameter["name"].as_str())
    }

    /// Claims that a value is a response of this operation.
    pub fn claim_answer(&self, value: Value) -> Claim {
        let schema = format!("{}/responses/{}/content/application~1json/schema", self.pointer(), self.status());
        Claim { name: format!("the answer of {} {}", self.method, self.path), schema, value }
    }

    /// Claims that a value is a request body of this operation.
    pub fn claim_body(&self, value: Value) -> Claim {
        let schema = format!("{}/requestBody/content/application~1json/schema", self.pointer());
        Claim { name: format!("the body of {} {}", self.method, self.path), schema, value }
    }

    fn pointer(&self) -> String {
        // In a URI's fragment, braces are escaped (RFC 6901, section 6).
        let path = self.path.replace('~', "~0").replace('/', "~1").replace('{', "%7B").replace('}', "%7D");
        format!("#/paths/{path}/{}", self.method.to_lowercase())
    }
}
