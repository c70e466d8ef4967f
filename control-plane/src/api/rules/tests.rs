//! Tests that the OpenAPI description matches the types of commands and responses.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use crate::api::routes::Route;
use crate::api::rules::Rule;
use crate::api::rules::order::Order;

/// A schema, and the document that its references point into.
#[derive(Clone, Copy)]
struct Schema<'a> {
    root: &'a Value,
    at: &'a Value,
}

impl<'a> Schema<'a> {
    fn step(self, at: &'a Value) -> Self {
        match at.get("$ref").and_then(Value::as_str) {
            Some(reference) => {
                let pointer = reference.strip_prefix('#').expect("references stay in the document");
                Self { at: self.root.pointer(pointer).unwrap_or_else(|| panic!("{reference} leads nowhere")), ..self }
            }
            None => Self { at, ..self },
        }
    }

    fn names(self, key: &str) -> BTreeSet<&'a str> {
        match &self.at[key] {
            Value::Object(named) => named.keys().map(String::as_str).collect(),
            Value::Array(listed) => listed.iter().filter_map(Value::as_str).collect(),
            Value::String(one) => [one.as_str()].into(),
            _ => BTreeSet::new(),
        }
    }

    /// The strings that it allows, if it consists of constants only.
    fn words(self) -> Option<BTreeSet<&'a str>> {
        if let Some(words) = self.at.get("enum").and_then(Value::as_array) {
            return Some(words.iter().filter_map(Value::as_str).collect());
        }
        let variants = self.variants();
        let word = |variant: &Self| variant.at.get("const").and_then(Value::as_str);
        (!variants.is_empty()).then(|| variants.iter().map(word).collect())?
    }

    fn variants(self) -> Vec<Self> {
        let either = self.at.get("oneOf").or_else(|| self.at.get("anyOf")).and_then(Value::as_array);
        either.into_iter().flatten().map(|variant| self.step(variant)).collect()
    }
}

/// Fails if the two differ in properties, in required properties or in their types. The description may have more:
/// text, formats, and which strings are allowed.
fn compare(derived: Schema<'_>, described: Schema<'_>, place: &str) {
    if let Some(words) = derived.words() {
        return assert_eq!(Some(words), described.words(), "{place}: texts");
    }
    let (ours, theirs) = (derived.variants(), described.variants());
    assert_eq!(ours.len(), theirs.len(), "{place}: so many variants");
    for (at, (ours, theirs)) in ours.into_iter().zip(theirs).enumerate() {
        compare(ours, theirs, &format!("{place}, variant {at}"));
    }
    for key in ["type", "required", "properties"] {
        assert_eq!(derived.names(key), described.names(key), "{place}: {key}");
    }
    for key in ["additionalProperties", "minItems"] {
        assert_eq!(derived.at.get(key), described.at.get(key), "{place}: {key}");
    }
    for name in derived.names("properties") {
        compare(
            derived.step(&derived.at["properties"][name]),
            described.step(&described.at["properties"][name]),
            &format!("{place}.{name}"),
        );
    }
    if let (Some(ours), Some(theirs)) = (derived.at.get("items"), described.at.get("items")) {
        compare(derived.step(ours), described.step(theirs), &format!("{place}[]"));
    }
}

fn holds<T: JsonSchema>(name: &str, settings: SchemaSettings) {
    let derived = settings.into_generator().into_root_schema_for::<T>().to_value();
    let document: Value = serde_json::from_str(include_str!("../openapi.json")).unwrap();
    let described = Schema { root: &document, at: &document["components"]["schemas"][name] };
    compare(Schema { root: &derived, at: &derived }, described, name);
}

#[test]
fn the_description_of_an_answer_is_that_of_its_type() {
    holds::<Rule>("Rule", SchemaSettings::draft2020_12().for_serialize());
    holds::<Route>("Route", SchemaSettings::draft2020_12().for_serialize());
}

#[test]
fn the_description_of_a_command_is_that_of_its_type() {
    holds::<Order>("Order", SchemaSettings::draft2020_12());
}
