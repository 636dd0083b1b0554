//! The OpenAPI document: paths and their answers as they are written down in `paths.json`, types as
//! the code has them.

use std::sync::LazyLock;

use pgweir_telemetry::schema;
use serde_json::{Value, json};

use crate::admin::Done;
use crate::answers::ProblemObject;

/// What stands in the paths where the prefix goes.
const PREFIX_PLACE: &str = "{prefix}";

/// The document for paths that begin with `prefix`.
pub(crate) fn document(prefix: &str) -> String {
    static TEXT: LazyLock<String> = LazyLock::new(|| compose().to_string());
    TEXT.replace(PREFIX_PLACE, prefix)
}

fn compose() -> Value {
    let mut document: Value =
        serde_json::from_str(include_str!("openapi/paths.json")).expect("it is part of the code");
    let mut schemas = schema::all();
    schema::add::<ProblemObject>(&mut schemas);
    schema::add::<Done>(&mut schemas);
    for data in ["Health", "Stats", "Done"] {
        schemas.insert(format!("{data}Answer"), answer(data));
    }
    document["components"]["schemas"] = json!(schemas);
    document
}

/// A type in what every answer is wrapped in.
fn answer(data: &str) -> Value {
    json!({
        "type": "object",
        "required": ["success", "data"],
        "properties": {
            "success": { "type": "boolean" },
            "data": { "$ref": format!("#/components/schemas/{data}") },
        },
    })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    /// Every `$ref` in a document.
    fn references<'a>(of: &'a Value, found: &mut Vec<&'a str>) {
        match of {
            Value::Object(fields) => {
                found.extend(of["$ref"].as_str());
                fields.values().for_each(|part| references(part, found));
            }
            Value::Array(parts) => parts.iter().for_each(|part| references(part, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    #[test]
    fn nothing_refers_to_what_is_not_there() {
        let document: Value = serde_json::from_str(&super::document("/x")).unwrap();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 50);
        for path in found {
            let pointer = path.trim_start_matches('#');
            assert!(document.pointer(pointer).is_some(), "{path}");
        }
        assert!(document["paths"]["/x/live"].is_object());
    }
}
