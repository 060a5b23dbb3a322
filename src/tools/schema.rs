//! A tool's JSON Schema, reduced to what every provider takes.
//!
//! schemars writes `$schema`, titles, number formats and `["string", "null"]` types; strict modes and
//! Gemini's subset refuse some of them, so they are taken out or put in the plain form.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value, json};

/// The schema of an argument type: an object, references inlined, no unknown keys allowed.
pub(super) fn parameters<A: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<A>().to_value();
    simplify(&mut schema);
    if let Some(object) = schema.as_object_mut() {
        object.remove("description");
        object.entry("type").or_insert_with(|| json!("object"));
        object.entry("properties").or_insert_with(|| Value::Object(Map::new()));
        object.insert("additionalProperties".to_owned(), json!(false));
    }
    schema
}

fn simplify(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else { return };
    for key in ["$schema", "title", "format", "minimum", "maximum", "default"] {
        object.remove(key);
    }
    if let Some(kinds) = object.get("type").and_then(Value::as_array) {
        let plain: Vec<Value> = kinds.iter().filter(|kind| *kind != "null").cloned().collect();
        if let [only] = plain.as_slice() {
            // An optional field is optional by not being required; no provider needs the null.
            object.insert("type".to_owned(), only.clone());
        }
    }
    if let Some(values) = object.get_mut("enum").and_then(Value::as_array_mut) {
        values.retain(|value| !value.is_null());
    }
    if let Some(properties) = object.get_mut("properties").and_then(Value::as_object_mut) {
        properties.values_mut().for_each(simplify);
    }
    if let Some(items) = object.get_mut("items") {
        simplify(items);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_tools_schema_is_plain_enough_for_every_provider() {
        for tool in crate::tools::all() {
            let schema = tool.parameters();
            let text = schema.to_string();
            assert_eq!(schema["type"], "object", "{text}");
            assert_eq!(schema["additionalProperties"], false, "{text}");
            for foreign in ["$ref", "$defs", "$schema", "anyOf", "oneOf", "null"] {
                assert!(!text.contains(foreign), "{} has {foreign}: {text}", tool.name());
            }
            for (name, property) in schema["properties"].as_object().unwrap() {
                assert!(property["description"].is_string(), "{}.{name} tells the model nothing", tool.name());
            }
        }
    }
}
