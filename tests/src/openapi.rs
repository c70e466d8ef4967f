//! The API's description, as generators and people read it: its operations, with their examples.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::programs::file;

/// A description.
pub struct Description {
    /// The whole document.
    pub document: Value,
}

/// One way to ask.
#[derive(Debug, Clone)]
pub struct Operation {
    /// In capitals.
    pub method: String,
    /// With its parameters in braces.
    pub path: String,
    described: Value,
    parameters: Vec<Value>,
}

/// A value that must be as a part of the description says.
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

    /// What is wrong with the description itself, or with values that it describes.
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
        assert!(output.status.success() != wrong.is_empty() || output.status.success(), "the check itself has failed");
        wrong
    }
}

impl Operation {
    /// The status of success.
    #[track_caller]
    pub fn status(&self) -> u16 {
        let statuses = self.described["responses"].as_object().expect("an operation has responses").keys();
        let success = statuses.filter_map(|status| status.parse().ok()).find(|status| (200..300).contains(status));
        success.unwrap_or_else(|| panic!("{} {} never succeeds", self.method, self.path))
    }

    /// The example of a successful answer, if it is JSON.
    pub fn answer(&self) -> Option<&Value> {
        self.described["responses"][self.status().to_string()]["content"]["application/json"].get("example")
    }

    /// Whether a successful answer is JSON.
    pub fn answers_json(&self) -> bool {
        self.described["responses"][self.status().to_string()]["content"].get("application/json").is_some()
    }

    /// The example of a body, if there must be one.
    #[track_caller]
    pub fn body(&self) -> Option<&Value> {
        let body = self.described.get("requestBody")?;
        let example = body["content"]["application/json"].get("example");
        Some(example.unwrap_or_else(|| panic!("{} {} has no example of its body", self.method, self.path)))
    }

    /// Path and query, made of the examples of all parameters.
    #[track_caller]
    pub fn target(&self) -> String {
        let (mut path, mut query) = (self.path.clone(), Vec::new());
        // Of parameters that exclude each other the first is used.
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

    /// That a value is an answer of this operation.
    pub fn claim_answer(&self, value: Value) -> Claim {
        let schema = format!("{}/responses/{}/content/application~1json/schema", self.pointer(), self.status());
        Claim { name: format!("the answer of {} {}", self.method, self.path), schema, value }
    }

    /// That a value is a body of this operation.
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
