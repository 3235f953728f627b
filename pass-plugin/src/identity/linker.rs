//! Symbols that no object defines but linkers, in each image for itself; pure.

/// Where the image, or a part of it that every image may have, begins and ends.
const NAMES: [&str; 23] = [
    "_DYNAMIC",
    "_GLOBAL_OFFSET_TABLE_",
    "_PROCEDURE_LINKAGE_TABLE_",
    "__GNU_EH_FRAME_HDR",
    "__bss_start",
    "__dso_handle",
    "__ehdr_start",
    "__etext",
    "__executable_start",
    "__fini_array_end",
    "__fini_array_start",
    "__init_array_end",
    "__init_array_start",
    "__preinit_array_end",
    "__preinit_array_start",
    "__rela_iplt_end",
    "__rela_iplt_start",
    "_edata",
    "_end",
    "_etext",
    "edata",
    "end",
    "etext",
];

/// Whether linkers define a name where an object refers to it and none defines it: such as `__start_items`, where section `items` of the
/// image begins.
pub fn defines(name: &str) -> bool {
    let section = name.strip_prefix("__start_").or_else(|| name.strip_prefix("__stop_"));
    section.is_some_and(is_identifier) || NAMES.binary_search(&name).is_ok()
}

/// Only sections whose names are identifiers of C have such symbols.
fn is_identifier(name: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.bytes().all(is_part) && name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_linkers() {
        assert!(NAMES.is_sorted());
        for name in ["__start_items", "__stop__x1", "__ehdr_start", "end", "_DYNAMIC"] {
            assert!(defines(name), "{name}");
        }
        for name in ["__start_", "__start_1", "__start_a.b", "start_items", "ends", "_ZN3endEv", "main"] {
            assert!(!defines(name), "{name}");
        }
    }
}
