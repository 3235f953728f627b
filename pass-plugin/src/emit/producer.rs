//! Who compiles: the build ids of this plugin and of the LLVM that it runs in. What another build compiled is
//! never taken for ours.

use crate::entry::{self, LLVM_VERSION};
use crate::llvm;
use object::Object;
use object::read::ReadCache;
use std::fs::File;
use std::path::Path;

/// `None` where one of the two cannot be told.
pub fn identity() -> Option<Vec<u8>> {
    let [plugin, llvm] = llvm::files_of_code()?;
    let mut identity = LLVM_VERSION.as_bytes().to_vec();
    for file in [plugin, llvm] {
        identity.push(0);
        identity.extend(build_id(&file)?);
    }
    Some(identity)
}

/// This plugin and the LLVM that runs it, in words that are alike wherever the same compile; `None` where the plugin's
/// file cannot be told. (LLVM by its version: clang and opt may each hold a copy of it, with build ids of their own.)
pub fn words() -> Option<String> {
    let [plugin, _] = llvm::files_of_code()?;
    let id: String = build_id(&plugin)?.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let (major, minor, patch) = entry::host_version()?;
    Some(format!("plugin {} (build {id}) in LLVM {major}.{minor}.{patch}", env!("CARGO_PKG_VERSION")))
}

/// The linker's build id; without one, a hash of the file.
fn build_id(path: &Path) -> Option<Vec<u8>> {
    let file = File::open(path).ok()?;
    let data = ReadCache::new(file);
    let object = object::File::parse(&data).ok()?;
    if let Some(id) = object.build_id().ok()? {
        return Some(id.to_vec());
    }
    let bytes = std::fs::read(path).ok()?;
    Some(xxhash_rust::xxh64::xxh64(&bytes, 0).to_le_bytes().to_vec())
}
