//! The types that JSON is made of, as JSON Schema: for the OpenAPI document, and for those that are
//! made from it.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::live::{
    Alarm, BlockerKind, ErrorCount, FigureUnit, Headline, HistoryColumns, HolderState, Live,
    LiveBlocker, LiveEvent, LiveHolder, LiveMode, LivePool, LivePostgres, LiveSum, LiveWaiter,
    LiveWorker, NPlusOne, PoolColumn, ServerSessions, Severity, SightWord, SlowLevel, SlowQuery,
    TopStatement, WaitCause, WaitEvent,
};
use crate::pools::{PoolStats, Times};
use crate::report::{Health, Stats};
use crate::window::Window;

/// What a word of a newer version is read as; it is never sent.
const UNKNOWN: &str = "unknown";

/// Every type by its name.
pub type Schemas = BTreeMap<String, Value>;

/// Every type of the live document, and of health and statistics.
pub fn all() -> Schemas {
    let mut schemas = live();
    add::<Health>(&mut schemas);
    add::<Stats>(&mut schemas);
    schemas
}

/// Every type of the live document.
pub fn live() -> Schemas {
    let mut schemas = Schemas::new();
    add_words::<LiveMode>(&mut schemas);
    add_words::<Severity>(&mut schemas);
    add_words::<SightWord>(&mut schemas);
    add_words::<SlowLevel>(&mut schemas);
    add_words::<HolderState>(&mut schemas);
    add_words::<BlockerKind>(&mut schemas);
    add_words::<FigureUnit>(&mut schemas);
    add_words::<Window>(&mut schemas);
    add::<Times>(&mut schemas);
    add::<PoolStats>(&mut schemas);
    add::<LivePool>(&mut schemas);
    add::<LiveSum>(&mut schemas);
    add::<PoolColumn>(&mut schemas);
    add::<Alarm>(&mut schemas);
    add::<Headline>(&mut schemas);
    add::<LiveWorker>(&mut schemas);
    add::<ErrorCount>(&mut schemas);
    add::<HistoryColumns>(&mut schemas);
    add::<TopStatement>(&mut schemas);
    add::<SlowQuery>(&mut schemas);
    add::<NPlusOne>(&mut schemas);
    add::<LiveHolder>(&mut schemas);
    add::<LiveWaiter>(&mut schemas);
    add::<WaitCause>(&mut schemas);
    add::<LiveBlocker>(&mut schemas);
    add::<WaitEvent>(&mut schemas);
    add::<ServerSessions>(&mut schemas);
    add::<LivePostgres>(&mut schemas);
    add::<LiveEvent>(&mut schemas);
    add::<Live>(&mut schemas);
    schemas
}

/// Adds a type that is one of a few words.
fn add_words<T: ToSchema>(schemas: &mut Schemas) {
    let mut schema = json::<T>();
    if let Some(Value::Array(words)) = schema.get_mut("enum") {
        words.retain(|word| word != UNKNOWN);
    }
    schemas.insert(T::name().into_owned(), schema);
}

/// Adds an object, whose flattened parts are there already.
///
/// # Panics
/// Never: an empty one of our own types is an object with text as keys.
pub fn add<T: ToSchema + Serialize + Default>(schemas: &mut Schemas) {
    let schema = json::<T>();
    // What an empty one is written with is always there. The types themselves cannot say so: for
    // reading, all of it may be absent.
    let empty = serde_json::to_value(T::default()).expect("our own types have text as keys");
    let always = empty.as_object().expect("an object");
    let (mut own, mut properties) = (Map::new(), Map::new());
    collect(&schema, schemas, &mut own, &mut properties);
    for (name, property) in &mut own {
        if !always.contains_key(name) {
            exclude_null(property);
        }
    }
    properties.extend(own);
    // What is taken for what is absent is the reader's business, and not sent.
    for property in properties.values_mut().filter_map(Value::as_object_mut) {
        property.remove("default");
    }
    let mut object = Map::new();
    if let Some(description) = schema.get("description") {
        object.insert("description".to_owned(), description.clone());
    }
    let required: Vec<&str> = always.keys().map(String::as_str).collect();
    object.insert("type".to_owned(), "object".into());
    object.insert("required".to_owned(), required.into());
    object.insert("properties".to_owned(), properties.into());
    schemas.insert(T::name().into_owned(), object.into());
}

/// Finds the properties of a schema: its own, and those of what is flattened into it.
fn collect(
    schema: &Value,
    known: &Schemas,
    own: &mut Map<String, Value>,
    flattened: &mut Map<String, Value>,
) {
    if let Some(properties) = schema["properties"].as_object() {
        own.extend(properties.clone());
    }
    for combined in ["allOf", "oneOf", "anyOf"] {
        for part in schema[combined].as_array().into_iter().flatten() {
            collect(part, known, own, flattened);
        }
    }
    if let Some(name) = schema["$ref"]
        .as_str()
        .and_then(|path| path.rsplit('/').next())
    {
        let properties = known[name]["properties"].as_object();
        flattened.extend(properties.cloned().unwrap_or_default());
    }
}

/// What is left out instead is never null.
fn exclude_null(property: &mut Value) {
    if let Some(Value::Array(types)) = property.get_mut("type") {
        types.retain(|name| name != "null");
        if let [one] = &types[..] {
            property["type"] = one.clone();
        }
    }
    if let Some(Value::Array(types)) = property.get_mut("oneOf") {
        types.retain(|one| one["type"] != "null");
    }
}

fn json<T: ToSchema>() -> Value {
    serde_json::to_value(T::schema()).expect("a schema is JSON")
}
