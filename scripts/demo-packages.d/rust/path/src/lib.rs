//! serde_json_path: queries (RFC 9535) of `cargo metadata`.

use json::{checksum, input, parse};
use serde_json::Value;
use serde_json_path::JsonPath;

const QUERIES: [&str; 6] = [
    "$.packages[*].name",
    "$.packages[?@.edition == '2021'].id",
    "$.packages[*].dependencies[?@.optional == true].name",
    "$..targets[?@.kind[0] == 'lib']",
    "$.packages[::2].features.default[*]",
    "$.resolve.nodes[?length(@.deps) > 2].deps[-1]",
];

/// # Safety
/// `length` bytes must be at `text`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn library_run(text: *const u8, length: usize) -> u64 {
    // SAFETY: by the caller.
    let Ok(document) = parse(unsafe { input(text, length) }) else { return 0 };
    run(&document).unwrap_or(0)
}

fn run(document: &Value) -> Option<u64> {
    let mut sum = 0u64;
    for query in QUERIES {
        let found = JsonPath::parse(query).ok()?.query(document);
        let values: Vec<Value> = found.all().into_iter().cloned().collect();
        sum = sum.wrapping_mul(31).wrapping_add(checksum(&serde_json::to_string(&values).ok()?));
    }
    Some(sum)
}
