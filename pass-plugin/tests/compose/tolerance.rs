//! Damaged objects: an error or an object, never a panic.

use crate::build::{Folder, try_compose};
use proptest::prelude::*;
use std::sync::LazyLock;

const SOURCE: &str = "
    inline int g(int x) { static int n; return n += x; } thread_local int t = 1; extern int u;
    struct S { ~S(); }; int f(int x) { S s; return g(x) + t + u; } __attribute__((visibility(\"hidden\"))) int h(int x) { return f(x); }
    __attribute__((constructor)) static void start() { t = 3; }";

/// An object with groups, exceptions, debug information and all tables, one with long indices in use, and where their
/// section headers begin.
static OBJECTS: LazyLock<Vec<(Vec<u8>, usize)>> = LazyLock::new(|| {
    let folder = Folder::new();
    let options = ["-O1", "-g", "-ffunction-sections", "-fdata-sections", "-fpatchable-function-entry=1"];
    let assembled = ".cg_profile a, b, 3\n.section .text.a,\"axG\",@progbits,a,comdat\n.weak a\na: nop\n\
         .section next,\"ao\",@progbits,.text.a\n.quad a, b\n.comm c,4,4";
    let objects = [folder.compile("source.cpp", SOURCE, &options), folder.assemble(assembled)];
    let headers = |o: &[u8]| u64::from_le_bytes(o[40..48].try_into().unwrap()) as usize;
    objects.into_iter().map(|o| (headers(&o), o)).map(|(h, o)| (o, h)).collect()
});

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn damage_is_survived(which in 0usize..2, whole: bool,
                          changes in proptest::collection::vec((any::<prop::sample::Index>(), damage()), 1..4),
                          cut in proptest::option::weighted(0.1, any::<prop::sample::Index>())) {
        let (object, headers) = &OBJECTS[which];
        let mut damaged = object.clone();
        for (at, (width, value)) in changes {
            // Most of an object is names and debug information, which nobody reads.
            let start = if whole { 0 } else { *headers };
            let at = start + at.index(object.len() - start);
            let end = (at + width).min(object.len());
            damaged[at..end].copy_from_slice(&value.to_le_bytes()[..end - at]);
        }
        if let Some(cut) = cut {
            damaged.truncate(cut.index(object.len()));
        }
        for inputs in [vec![damaged.clone()], vec![object.clone(), damaged.clone()], vec![damaged, OBJECTS[0].0.clone()]] {
            match try_compose(&inputs) {
                Err(error) => prop_assert!(!error.to_string().is_empty()),
                // What comes out is never worse than what went in.
                Ok(composed) => prop_assert_eq!(try_compose(&[composed]).err(), None),
            }
        }
    }
}

/// A width in bytes and a value: small numbers are indices, large ones are out of all ranges.
fn damage() -> impl Strategy<Value = (usize, u64)> {
    let value = prop_oneof![0u64..80, any::<u64>(), Just(u64::MAX), Just(1 << 63), 0u64..100_000];
    (prop_oneof![Just(1usize), Just(2), Just(4), Just(8)], value)
}
