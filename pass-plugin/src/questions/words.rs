//! The words in which programs keep what they found out about the CPU. Pure; no LLVM.
//!
//! Sources: libgcc's and compiler-rt's `__cpu_model` and `__cpu_features2`, whose bits are part of the compilers'
//! ABI; Rust's `std_detect`, whose bits are as they happen to be in a release. A test compares both
//! tables with what the compilers make.

use image_format::cpu::Arch;
use image_format::feature::FeatureSet;

/// Where a word's bits start in the numbering of its table, and its width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    pub table: Table,
    pub first: u32,
    pub bits: u32,
}

/// Whose bits they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// libgcc's and compiler-rt's: 32 bits a word.
    Compiler,
    /// Rust 1.95's: 63 bits a word, of which the last says that it was filled.
    Rust1_95,
}

/// The word at byte `offset` of the runtime library's variable `symbol`.
pub fn compiler_word(symbol: &str, offset: i64) -> Option<Word> {
    let first = match (symbol, offset) {
        // Vendor, type and subtype, which are no features, come first.
        ("__cpu_model", 12) => 0,
        ("__cpu_features2", 0 | 4 | 8) => 32 + 8 * offset as u32,
        _ => return None,
    };
    Some(Word { table: Table::Compiler, first, bits: 32 })
}

/// What fills the words of [`compiler_word`].
pub const COMPILER_INIT: &str = "__cpu_indicator_init";

/// The mangled path of `std_detect`'s cache module, in both of rustc's manglings.
const RUST_MODULE: &str = "10std_detect6detect5cache";

/// Bytes of the cache: three words.
pub const RUST_CACHE_SIZE: u64 = 24;

/// Whether a symbol names the cache.
pub fn is_rust_cache(symbol: &str) -> bool {
    symbol.split_once(RUST_MODULE).is_some_and(|(_, name)| name.starts_with("5CACHE"))
}

/// Whether a symbol names the function that fills the cache and returns its first two words as one.
pub fn is_rust_init(symbol: &str) -> bool {
    symbol.split_once(RUST_MODULE).is_some_and(|(_, name)| name.starts_with("21detect_and_initialize"))
}

/// The word at byte `offset` of the cache.
pub fn rust_word(offset: i64) -> Option<Word> {
    let first = match offset {
        0 => 0,
        8 => 63,
        16 => 126,
        _ => return None,
    };
    Some(Word { table: Table::Rust1_95, first, bits: 64 })
}

/// What the function that fills the cache returns.
pub const RUST_INIT_WORD: Word = Word { table: Table::Rust1_95, first: 0, bits: 128 };

/// Whether all Rust code of a module comes from a compiler whose table we have. `producers` are the strings of
/// `llvm.ident`; other languages' do not matter.
pub fn is_known_rust<'a>(producers: impl Iterator<Item = &'a str>) -> bool {
    let mut rust = producers.filter(|p| p.starts_with("rustc")).peekable();
    rust.peek().is_some() && rust.all(|p| p.starts_with("rustc version 1.95."))
}

impl Word {
    /// The features that a bit of the word says are there; empty for one that says something else.
    pub fn features(self, bit: u32) -> FeatureSet {
        let names = match self.table {
            Table::Compiler => COMPILER_BITS,
            Table::Rust1_95 if self.bits == 64 && bit == 63 => return FeatureSet::EMPTY,
            Table::Rust1_95 => RUST_1_95_BITS,
        };
        let index = self.first + bit;
        let of = |name: &str| {
            let level = || Arch::X86_64.model(name).map(|m| m.difference(Arch::X86_64.never_rejects()));
            let one = Arch::X86_64.feature(name).map(|id| FeatureSet::EMPTY.with(id));
            one.or_else(level).unwrap_or_default()
        };
        names.iter().find(|(at, _)| *at == index).map_or(FeatureSet::EMPTY, |(_, name)| of(name))
    }
}

/// By LLVM's names of features and levels. Gaps are features that LLVM has dropped.
#[rustfmt::skip]
pub const COMPILER_BITS: &[(u32, &str)] = &[
    (0, "cmov"), (1, "mmx"), (2, "popcnt"), (3, "sse"), (4, "sse2"), (5, "sse3"), (6, "ssse3"), (7, "sse4.1"),
    (8, "sse4.2"), (9, "avx"), (10, "avx2"), (11, "sse4a"), (12, "fma4"), (13, "xop"), (14, "fma"),
    (15, "avx512f"), (16, "bmi"), (17, "bmi2"), (18, "aes"), (19, "pclmul"), (20, "avx512vl"), (21, "avx512bw"),
    (22, "avx512dq"), (23, "avx512cd"), (26, "avx512vbmi"), (27, "avx512ifma"), (30, "avx512vpopcntdq"),
    (31, "avx512vbmi2"), (32, "gfni"), (33, "vpclmulqdq"), (34, "avx512vnni"), (35, "avx512bitalg"),
    (36, "avx512bf16"), (37, "avx512vp2intersect"), (40, "adx"), (42, "cldemote"), (43, "clflushopt"),
    (44, "clwb"), (45, "clzero"), (46, "cx16"), (48, "enqcmd"), (49, "f16c"), (50, "fsgsbase"), (54, "sahf"),
    (55, "64bit"), (56, "lwp"), (57, "lzcnt"), (58, "movbe"), (59, "movdir64b"), (60, "movdiri"), (61, "mwaitx"),
    (63, "pconfig"), (64, "pku"), (66, "prfchw"), (67, "ptwrite"), (68, "rdpid"), (69, "rdrnd"), (70, "rdseed"),
    (71, "rtm"), (72, "serialize"), (73, "sgx"), (74, "sha"), (75, "shstk"), (76, "tbm"), (77, "tsxldtrk"),
    (78, "vaes"), (79, "waitpkg"), (80, "wbnoinvd"), (81, "xsave"), (82, "xsavec"), (83, "xsaveopt"),
    (84, "xsaves"), (85, "amx-tile"), (86, "amx-int8"), (87, "amx-bf16"), (88, "uintr"), (89, "hreset"),
    (90, "kl"), (92, "widekl"), (93, "avxvnni"), (94, "avx512fp16"), (95, "x86-64"), (96, "x86-64-v2"),
    (97, "x86-64-v3"), (98, "x86-64-v4"), (99, "avxifma"), (100, "avxvnniint8"), (101, "avxneconvert"),
    (102, "cmpccxadd"), (103, "amx-fp16"), (104, "prefetchi"), (105, "raoint"), (106, "amx-complex"),
    (107, "avxvnniint16"), (108, "sm3"), (109, "sha512"), (110, "sm4"), (111, "apxf"), (112, "usermsr"),
    (114, "avx10.1"), (116, "avx10.2"), (117, "amx-avx512"), (118, "amx-tf32"), (120, "amx-fp8"), (121, "movrs"),
    (122, "amx-movrs"),
];

/// Of the first word, what the macro takes without a nightly switch; the rest stays a question. (Tests of the
/// second word, ADX, MOVBE and the like, are computed for both words at once.)
#[rustfmt::skip]
pub const RUST_1_95_BITS: &[(u32, &str)] = &[
    (0, "aes"), (1, "pclmul"), (2, "rdrnd"), (3, "rdseed"), (5, "mmx"), (8, "sse3"), (9, "ssse3"),
    (10, "sse4.1"), (11, "sse4.2"), (12, "sse4a"), (13, "sha"), (14, "avx"), (15, "avx2"), (16, "sha512"),
    (17, "sm3"), (18, "sm4"), (19, "avx512f"), (20, "avx512cd"), (23, "avx512bw"), (24, "avx512dq"),
    (25, "avx512vl"), (26, "avx512ifma"), (27, "avx512vbmi"), (28, "avx512vpopcntdq"), (29, "avx512vbmi2"),
    (30, "gfni"), (31, "vaes"), (32, "vpclmulqdq"), (33, "avx512vnni"), (34, "avx512bitalg"),
    (35, "avx512bf16"), (36, "avx512vp2intersect"), (37, "avx512fp16"), (38, "avxifma"), (39, "avxneconvert"),
    (40, "avxvnni"), (41, "avxvnniint16"), (42, "avxvnniint8"), (55, "f16c"), (56, "fma"), (57, "bmi"),
    (58, "bmi2"), (59, "lzcnt"), (60, "tbm"), (61, "popcnt"),
];
