//! What LLVM's target descriptions say about a CPU, for every target that the host has.

use super::{llvm, push_name};
use crate::shim;
use std::collections::HashSet;

/// The features that code for this triple, CPU and feature list may use, by LLVM's names; `None` when the
/// host was built without the target.
pub fn subtarget_features(triple: &str, cpu: &str, features: &str) -> Option<HashSet<String>> {
    let mut names: Vec<String> = Vec::new();
    let data: *mut Vec<String> = &mut names;
    let known = llvm!(shim::jl_cpp_subtarget_features(
        triple.as_ptr().cast(),
        triple.len(),
        cpu.as_ptr().cast(),
        cpu.len(),
        features.as_ptr().cast(),
        features.len(),
        data.cast(),
        push_name
    ));
    known.then(|| names.into_iter().collect())
}

/// All features of the triple's architecture that this LLVM knows; `None` when the host was built without the
/// target.
pub fn known_features(triple: &str) -> Option<HashSet<String>> {
    let mut names: Vec<String> = Vec::new();
    let data: *mut Vec<String> = &mut names;
    let known =
        llvm!(shim::jl_cpp_known_features(triple.as_ptr().cast(), triple.len(), data.cast(), push_name));
    known.then(|| names.into_iter().collect())
}
