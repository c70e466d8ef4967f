//! Tests that the documents of decorators are complete and their examples valid, and that the schema is current.

use std::fs;

use ::decorators::action::{self, Action};
use ::decorators::file::DecoratorsFile;
use scenario::process::file;
use serde_json::{Value, json};
use utoipa::{PartialSchema, ToSchema};

/// The schema of a file of decorators (JSON Schema, draft 2020-12, which OpenAPI 3.1 uses).
fn schema() -> Value {
    let mut parts = Vec::new();
    DecoratorsFile::schemas(&mut parts);
    let definitions: serde_json::Map<String, Value> =
        parts.into_iter().map(|(name, part)| (name, serde_json::to_value(part).unwrap())).collect();
    let mut schema = serde_json::to_value(DecoratorsFile::schema()).unwrap();
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["$defs"] = Value::Object(definitions);
    let text = serde_json::to_string_pretty(&schema).unwrap().replace("#/components/schemas/", "#/$defs/");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn the_schema_of_the_file_is_current() {
    let path = file("../docs/decorators.schema.json");
    let text = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == text, "docs/decorators.schema.json is old: run the tests of documents with UPDATE_DOCS=1");
}

#[test]
fn every_decorator_has_a_page_with_a_valid_file() {
    let list = fs::read_to_string(file("../docs/decorators.md")).unwrap();
    for name in action::NAMES {
        assert!(list.contains(&format!("(decorators/{name}.md)")), "docs/decorators.md does not list {name}");
        let page = fs::read_to_string(file(&format!("../docs/decorators/{name}.md")))
            .unwrap_or_else(|why| panic!("docs/decorators/{name}.md: {why}"));
        let blocks = page.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
        let mut shown = 0;
        for block in blocks {
            let file: DecoratorsFile = serde_norway::from_str(block).unwrap_or_else(|why| panic!("{name}.md: {why}\n{block}"));
            file.check().unwrap_or_else(|why| panic!("{name}.md: {why}"));
            shown += file.decorators.iter().filter(|entry| entry.action.name() == *name).count();
        }
        assert!(shown > 0, "docs/decorators/{name}.md has no complete file with {name}");
    }
}

#[test]
fn every_example_is_of_its_decorator() {
    for (name, example) in action::NAMES.iter().zip(action::EXAMPLES) {
        let action: Action = serde_norway::from_str(example).unwrap_or_else(|why| panic!("{name}: {why}\n{example}"));
        assert_eq!(action.name(), *name);
    }
}
