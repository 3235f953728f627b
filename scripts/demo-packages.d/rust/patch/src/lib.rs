//! json-patch: differences between packages of `cargo metadata`, as patches, which are then applied.

use json::{checksum, input, parse};
use serde_json::Value;

/// # Safety
/// `length` bytes must be at `text`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn library_run(text: *const u8, length: usize) -> u64 {
    // SAFETY: by the caller.
    let Ok(document) = parse(unsafe { input(text, length) }) else { return 0 };
    run(&document).unwrap_or(0)
}

fn run(document: &Value) -> Option<u64> {
    let packages = document.get("packages")?.as_array()?;
    let mut sum = 0u64;
    for pair in packages.windows(2) {
        let patch = json_patch::diff(&pair[0], &pair[1]);
        let mut patched = pair[0].clone();
        json_patch::patch(&mut patched, &patch).ok()?;
        if patched != pair[1] {
            return None;
        }
        let text = serde_json::to_string(&patch).ok()?;
        let again: json_patch::Patch = serde_json::from_str(&text).ok()?;
        sum = sum.wrapping_mul(31).wrapping_add(checksum(&text)).wrapping_add(again.len() as u64);
    }
    Some(sum)
}
