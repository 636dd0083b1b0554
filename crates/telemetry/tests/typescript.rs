//! The page's types are made from the schema of the live document. With RECORD set, makes them anew.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "all of it is a test, of a file of the page"
)]

use std::fmt::Write as _;
use std::path::Path;

use pgweir_telemetry::schema;
use serde_json::Value;

const HEAD: &str = "\
// The live document as the pooler sends it. Made from crates/telemetry by its test `typescript`
// (`RECORD=1 cargo test -p pgweir-telemetry --test typescript`); not to be changed by hand.
";

#[test]
fn the_types_of_the_page_are_those_of_the_document() {
    let mut text = HEAD.to_owned();
    for (name, schema) in schema::live() {
        text.push('\n');
        match schema["enum"].as_array() {
            Some(words) => {
                text += &comment(&schema, "");
                let words: Vec<String> = words.iter().map(Value::to_string).collect();
                writeln!(text, "export type {name} = {};", words.join(" | ")).unwrap();
            }
            None => text += &interface(&name, &schema),
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dashboard/src/document.ts");
    if std::env::var_os("RECORD").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let recorded = std::fs::read_to_string(&path).unwrap();
    assert!(
        text == recorded,
        "dashboard/src/document.ts is not that of the document any more; make it anew: \
         RECORD=1 cargo test -p pgweir-telemetry --test typescript"
    );
}

fn interface(name: &str, schema: &Value) -> String {
    let mut text = comment(schema, "");
    writeln!(text, "export interface {name} {{").unwrap();
    let required = schema["required"].as_array().unwrap();
    for (field, of) in schema["properties"].as_object().unwrap() {
        text += &comment(of, "  ");
        let is_required = required.iter().any(|name| name == field);
        let mark = if is_required { "" } else { "?" };
        writeln!(text, "  {field}{mark}: {};", kind(of)).unwrap();
    }
    text + "}\n"
}

fn comment(schema: &Value, indent: &str) -> String {
    let Some(description) = schema["description"].as_str() else {
        return String::new();
    };
    let lines = description.replace('\n', &format!("\n{indent} * "));
    format!("{indent}/** {lines} */\n")
}

/// The type of a value. Anything in a schema that is not known here must not be passed over.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str() {
        return name.rsplit('/').next().unwrap().to_owned();
    }
    if let Some(parts) = schema["oneOf"].as_array() {
        let mut kinds: Vec<String> = parts.iter().map(kind).collect();
        kinds.sort_by_key(|kind| kind == "null");
        return kinds.join(" | ");
    }
    match &schema["type"] {
        Value::String(name) => named(name, schema),
        Value::Array(names) => {
            let kinds = names
                .iter()
                .map(|name| named(name.as_str().unwrap(), schema));
            let kinds: Vec<String> = kinds.collect();
            kinds.join(" | ")
        }
        other => panic!("no type: {other} in {schema}"),
    }
}

fn named(name: &str, schema: &Value) -> String {
    match name {
        "integer" | "number" => "number".to_owned(),
        "string" | "boolean" | "null" => name.to_owned(),
        "array" => match kind(&schema["items"]) {
            items if items.contains(' ') => format!("({items})[]"),
            items => format!("{items}[]"),
        },
        "object" => format!("Record<string, {}>", kind(&schema["additionalProperties"])),
        other => panic!("unknown type {other}"),
    }
}
