//! serde's derived types and indexmap: packages of `cargo metadata` by their licences, and who depends on whom.

use indexmap::IndexMap;
use json::{checksum, input};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap};

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    dependencies: Vec<Dependency>,
    features: BTreeMap<String, Vec<String>>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Dependency {
    name: String,
    req: String,
    #[serde(flatten)]
    rest: HashMap<String, Value>,
}

/// # Safety
/// `length` bytes must be at `text`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn library_run(text: *const u8, length: usize) -> u64 {
    // SAFETY: by the caller.
    run(unsafe { input(text, length) }).unwrap_or(0)
}

fn run(text: &str) -> Option<u64> {
    let metadata: Metadata = serde_json::from_str(text).ok()?;
    let mut by_license: IndexMap<String, Vec<Value>> = IndexMap::new();
    let mut users: HashMap<String, Value> = HashMap::new();
    for package in &metadata.packages {
        let license = package.license.clone().unwrap_or_default();
        by_license.entry(license).or_default().push(serde_json::to_value(package).ok()?);
        for dependency in &package.dependencies {
            let users = users.entry(dependency.name.clone()).or_insert_with(|| Value::Array(Vec::new()));
            let user = format!("{} {} {}", package.name, package.version, dependency.req);
            users.as_array_mut()?.push(Value::String(user));
        }
    }
    by_license.sort_keys();
    let users: BTreeMap<String, Value> = users.into_iter().collect();
    let text = serde_json::to_string(&by_license).ok()? + &serde_json::to_string_pretty(&users).ok()?;
    Some(checksum(&text))
}
