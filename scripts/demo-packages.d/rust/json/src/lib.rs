//! The common image: what programs do with JSON in general. Its instances of serde_json's and the collections' generic code
//! are those that others have, too; written without a look at these, but for [`named`] and [`missing`]: `jl-link --jl-dedup-set` had
//! shown that two of the libraries each held what such functions take.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap};

/// FNV-1a.
pub fn checksum(text: &str) -> u64 {
    text.bytes().fold(0xcbf29ce484222325, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x100000001b3))
}

/// The text that a C program hands over.
///
/// # Safety
/// `length` bytes must be at `text`, and live as long as what is made of them.
pub unsafe fn input<'a>(text: *const u8, length: usize) -> &'a str {
    // SAFETY: by the caller.
    let bytes = unsafe { std::slice::from_raw_parts(text, length) };
    std::str::from_utf8(bytes).unwrap_or_default()
}

pub fn parse(text: &str) -> serde_json::Result<Value> {
    serde_json::from_str(text)
}

pub fn parse_bytes(text: &[u8]) -> serde_json::Result<Value> {
    serde_json::from_slice(text)
}

pub fn print(value: &Value) -> serde_json::Result<String> {
    serde_json::to_string(value)
}

pub fn print_pretty(value: &Value) -> serde_json::Result<String> {
    serde_json::to_string_pretty(value)
}

/// `with` wins where both have a value that is no object.
pub fn merge(into: &mut Value, with: &Value) {
    match (into, with) {
        (Value::Object(into), Value::Object(with)) => {
            for (key, value) in with {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, with) => *into = with.clone(),
    }
}

/// All strings, sorted, each once.
pub fn strings(value: &Value) -> Vec<String> {
    fn collect(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::String(text) => found.push(text.clone()),
            Value::Array(values) => values.iter().for_each(|value| collect(value, found)),
            Value::Object(members) => {
                for (key, value) in members {
                    found.push(key.clone());
                    collect(value, found);
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    collect(value, &mut found);
    found.sort();
    found.dedup();
    found
}

/// The objects of a list by one of their members.
pub fn by_member(values: &[Value], member: &str) -> HashMap<String, Value> {
    let named = |value: &Value| Some((value.get(member)?.as_str()?.to_string(), value.clone()));
    values.iter().filter_map(named).collect()
}

/// Likewise, several of one name together.
pub fn groups(values: &[Value], member: &str) -> BTreeMap<String, Vec<Value>> {
    let mut groups: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for value in values {
        let name = value.get(member).and_then(Value::as_str).unwrap_or_default();
        groups.entry(name.to_string()).or_default().push(value.clone());
    }
    groups
}

/// A list of objects of which one member is known.
pub fn named(text: &str) -> serde_json::Result<Vec<Named>> {
    serde_json::from_str(text)
}

/// An object with a name and whatever else.
#[derive(Serialize, Deserialize)]
pub struct Named {
    pub name: String,
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// The objects of the one list that are not in the other.
pub fn missing<'a>(values: &'a [Value], from: &[Value]) -> Vec<&'a Value> {
    values.iter().filter(|value| !from.iter().any(|other| other == *value)).collect()
}

/// In the order of the list.
pub fn in_order(values: Vec<(String, Value)>) -> IndexMap<String, Value> {
    let mut map: IndexMap<String, Value> = values.into_iter().collect();
    map.sort_keys();
    map
}

/// An object of pairs.
pub fn object(members: Vec<(String, Value)>) -> Map<String, Value> {
    members.into_iter().collect()
}

/// Sorted by their texts.
pub fn sorted(mut values: Vec<Value>) -> Vec<Value> {
    values.sort_by_cached_key(|value| value.to_string());
    values
}
