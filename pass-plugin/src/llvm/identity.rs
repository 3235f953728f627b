//! Definitions as canonical bytes (`cpp/identity.cpp`), and the facts that go with them.

use super::{Module, Value, llvm};
use crate::shim;
use llvm_sys::prelude::LLVMValueRef;
use std::ffi::{c_char, c_void};

/// How a definition uses a symbol: bits of `Use` in `cpp/identity.cpp`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Uses(pub u32);

impl Uses {
    pub const CALLS: Uses = Uses(1);
    pub const READS: Uses = Uses(2);
    pub const WRITES: Uses = Uses(4);
    /// The address goes where its value may matter.
    pub const TAKES_ADDRESS: Uses = Uses(8);
    /// As its personality function.
    pub const UNWINDS: Uses = Uses(16);

    pub fn has(self, other: Uses) -> bool {
        self.0 & other.0 != 0
    }
}

/// What stands in a definition: bits of `Obstacle` in `cpp/identity.cpp`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Obstacles(pub u32);

impl Obstacles {
    /// The address of a label.
    pub const LABEL_ADDRESS: Obstacles = Obstacles(1);
    /// Something that the bytes do not describe.
    pub const UNKNOWN: Obstacles = Obstacles(2);
    /// Inline assembly with a text, in which symbols may be named.
    pub const ASSEMBLY: Obstacles = Obstacles(4);

    pub fn has(self, other: Obstacles) -> bool {
        self.0 & other.0 != 0
    }
}

/// What a symbol is: bits of `jl_cpp_identity_facts`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SymbolFacts(pub u32);

impl SymbolFacts {
    pub const DECLARATION: SymbolFacts = SymbolFacts(1 << 0);
    /// Another definition may take the place of this one when the program is linked or loaded.
    pub const REPLACEABLE: SymbolFacts = SymbolFacts(1 << 1);
    pub const LOCAL: SymbolFacts = SymbolFacts(1 << 2);
    /// Hidden or protected: every image has its own.
    pub const HIDDEN: SymbolFacts = SymbolFacts(1 << 3);
    pub const FUNCTION: SymbolFacts = SymbolFacts(1 << 4);
    /// A variable that nobody writes to.
    pub const CONSTANT: SymbolFacts = SymbolFacts(1 << 5);
    pub const VARIABLE: SymbolFacts = SymbolFacts(1 << 6);
    pub const THREAD_LOCAL: SymbolFacts = SymbolFacts(1 << 7);
    /// Nobody compares the address.
    pub const UNNAMED_ADDRESS: SymbolFacts = SymbolFacts(1 << 8);
    pub const INTRINSIC: SymbolFacts = SymbolFacts(1 << 9);
    pub const NAKED: SymbolFacts = SymbolFacts(1 << 10);
    /// A copy for inlining of what another object defines.
    pub const AVAILABLE_EXTERNALLY: SymbolFacts = SymbolFacts(1 << 11);
    pub const PREFIX_DATA: SymbolFacts = SymbolFacts(1 << 12);
    /// Placed in a section by the source.
    pub const SECTION: SymbolFacts = SymbolFacts(1 << 13);
    /// Its name stands for its definition: Rust's names have a hash of the crate in them.
    pub const NAMED_BY_CRATE: SymbolFacts = SymbolFacts(1 << 14);
    /// Defined by all who use it: every image may have a copy.
    pub const VAGUE: SymbolFacts = SymbolFacts(1 << 15);

    pub fn has(self, other: SymbolFacts) -> bool {
        self.0 & other.0 != 0
    }
}

/// A symbol as canonical bytes.
#[derive(Default)]
pub struct Canonical {
    pub bytes: Vec<u8>,
    /// The symbols that the bytes name by their places in this list.
    pub names: Vec<(Value, Uses)>,
    pub obstacles: Obstacles,
}

/// Turns the symbols of one module into canonical bytes; keeps what they have in common.
pub struct Canonicaliser {
    module: Module,
    tables: *mut c_void,
}

impl Canonicaliser {
    pub fn new(module: Module) -> Canonicaliser {
        Canonicaliser { module, tables: llvm!(shim::jl_cpp_identity_new()) }
    }

    /// What the code of the module depends on besides its definitions: triple, data layout, flags, assembly at file
    /// scope, producers.
    pub fn module(&mut self) -> Vec<u8> {
        let mut found = Canonical::default();
        let data: *mut Canonical = &mut found;
        llvm!(shim::jl_cpp_identity_module(self.tables, self.module.0, data.cast(), push_bytes));
        found.bytes
    }

    /// A symbol of the module: with its definition, or what one who knows only its declaration sees.
    pub fn symbol(&mut self, symbol: Value, whole: bool) -> Canonical {
        let mut found = Canonical::default();
        let data: *mut Canonical = &mut found;
        let (tables, data) = (self.tables, data.cast());
        let obstacles =
            llvm!(shim::jl_cpp_identity_symbol(tables, symbol.0, whole, data, push_bytes, push_named));
        found.obstacles = Obstacles(obstacles);
        found
    }
}

impl Drop for Canonicaliser {
    fn drop(&mut self) {
        // The tables are this value's alone: `new` allocated them and nothing else frees them.
        llvm!(shim::jl_cpp_identity_free(self.tables));
    }
}

impl Value {
    /// What a symbol is.
    pub fn symbol_facts(self) -> SymbolFacts {
        SymbolFacts(llvm!(shim::jl_cpp_identity_facts(self.0)))
    }
}

extern "C" fn push_bytes(data: *mut c_void, bytes: *const c_char, len: usize) {
    // SAFETY: the functions above pass a `*mut Canonical` of their own frame and do not touch it meanwhile; the shim
    // passes the bytes of a string that lives across this call.
    let (found, bytes) =
        unsafe { (&mut *data.cast::<Canonical>(), std::slice::from_raw_parts(bytes.cast::<u8>(), len)) };
    found.bytes.extend_from_slice(bytes);
}

extern "C" fn push_named(data: *mut c_void, symbol: LLVMValueRef, uses: u32) {
    // SAFETY: as above.
    unsafe { &mut *data.cast::<Canonical>() }.names.push((Value(symbol), Uses(uses)));
}
