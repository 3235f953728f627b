//! Identities: what makes two functions of different images the same one.
//!
//! Every symbol has a [`Hash`]: BLAKE3 over its own canonical bytes and the hashes of the symbols that these name, in
//! their order. Symbols that refer to each other in circles are one *component*, whose hashes are made in rounds
//! ([`hash_component`]). The canonical bytes are LLVM's affair (`pass-plugin/cpp/identity.cpp`); a release of LLVM or of
//! Julienne may write others, and so both are part of the environment, the hash of what a whole module's code depends
//! on. A function's [`Identity`] is made of its symbol's hash and the environment's.
//!
//! All hashes are BLAKE3 in its mode for deriving keys, with the contexts below, and a symbol is one of 32 bytes, an
//! identity the first 16 of its hash: 2^64 functions before two that differ are likely to have the same one.

/// Bumped whenever the same function would get another identity.
pub const VERSION: u32 = 4;

const SYMBOL: &str = "Julienne 2026 identity: symbol";
const COMPONENT: &str = "Julienne 2026 identity: component";
const LABEL: &str = "Julienne 2026 identity: label";
const MEMBER: &str = "Julienne 2026 identity: member of a component";
const BYTES: &str = "Julienne 2026 identity: canonical bytes";
const FUNCTION: &str = "Julienne 2026 identity: function";

/// The hash of canonical bytes, of a symbol, or of an environment.
pub type Hash = [u8; 32];

/// What two functions have in common exactly if they are the same: by name, code, all that they refer to, and the way
/// in which they are compiled.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Identity(pub [u8; 16]);

impl Identity {
    /// Of a function whose symbol has the hash `symbol`, in a module with this environment.
    pub fn of(symbol: &Hash, environment: &Hash) -> Identity {
        let mut hasher = blake3::Hasher::new_derive_key(FUNCTION);
        hasher.update(environment).update(symbol);
        let mut identity = [0; 16];
        identity.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        Identity(identity)
    }
}

impl std::fmt::Display for Identity {
    /// 32 hex digits.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Before the identity in a name: LLVM's own mark for local functions that become global under a name of their own, which
/// demanglers know and leave out, with digits that they take for such a mark.
const GLOBAL: &str = ".llvm.";

/// The name of a function whose front end made it local, for all objects that have the same one. The hash that Rust puts at
/// the end of the front end's name depends on the crate; digits of the identity take its place, because it is by a hash that
/// demanglers know a name of Rust's.
pub fn global_name(local: &str, identity: &Identity) -> String {
    let digits = identity.to_string();
    let suffix = digits.to_uppercase();
    match before_hash(local) {
        Some(path) => format!("{path}{HASH}{}E{GLOBAL}{suffix}", &digits[..HASH_DIGITS]),
        None => format!("{local}{GLOBAL}{suffix}"),
    }
}

/// The identity in a name by [`global_name`]; `None` for other names.
pub fn of_global_name(name: &str) -> Option<Identity> {
    let (_, digits) = name.rsplit_once(GLOBAL)?;
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte);
    let digits = Some(digits).filter(|digits| digits.len() == 32 && digits.bytes().all(is_digit))?;
    u128::from_str_radix(digits, 16).ok().map(|bits| Identity(bits.to_be_bytes()))
}

/// How Rust's hash begins, which is a part of the path: its length, and the letter before the digits.
const HASH: &str = "17h";
const HASH_DIGITS: usize = 16;

/// `_ZN3foo` of `_ZN3foo17h0123456789abcdefE`; `None` where there is no hash.
fn before_hash(name: &str) -> Option<&str> {
    let inner = name.strip_suffix('E').filter(|_| name.starts_with("_ZN"))?;
    let (path, hash) = inner.split_at_checked(inner.len().checked_sub(HASH.len() + HASH_DIGITS)?)?;
    let digits = hash.strip_prefix(HASH)?;
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(path)
}

/// The hash of canonical bytes; `parts` are told apart.
pub fn hash_bytes(parts: &[&[u8]]) -> Hash {
    let mut hasher = blake3::Hasher::new_derive_key(BYTES);
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
    }
    *hasher.finalize().as_bytes()
}

/// The hash of a symbol that is in no circle.
pub fn hash_symbol(bytes: &Hash, references: &[Hash]) -> Hash {
    hash_list(SYMBOL, bytes, references)
}

fn hash_list(context: &str, first: &Hash, rest: &[Hash]) -> Hash {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    hasher.update(first);
    for hash in rest {
        hasher.update(hash);
    }
    *hasher.finalize().as_bytes()
}

/// A member of a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub bytes: Hash,
    pub references: Vec<Reference>,
}

/// What a member refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reference {
    /// A symbol outside of the component.
    Outside(Hash),
    /// A member, by its place in the list.
    Member(usize),
}

/// The hashes of symbols that refer to each other in circles, in the order of `members`, on which they do not depend.
///
/// Labels are refined as in the minimisation of automata: a member's first label is that of its bytes; its next one is
/// that of its bytes and the labels of all that it refers to. When a round tells no more members apart, two members
/// with one label behave the same. A label alone says only what is seen within as many steps as there were rounds,
/// so a member's hash is that of its label and of the whole component: the sorted list of labels, each of which
/// stands for bytes and for the labels referred to.
///
/// # Panics
/// When a reference is to no member.
pub fn hash_component(members: &[Member]) -> Vec<Hash> {
    let mut labels: Vec<Hash> = members.iter().map(|m| hash_list(LABEL, &m.bytes, &[])).collect();
    let mut before = 0;
    loop {
        labels = members.iter().map(|m| label(m, &labels)).collect();
        let distinct = sorted_set(&labels);
        // Once more than needed, so that these labels are made of labels that tell as much apart as they do.
        if distinct.len() == before {
            let component = hash_list(COMPONENT, &[0; 32], &distinct);
            return labels.iter().map(|l| hash_list(MEMBER, &component, &[*l])).collect();
        }
        before = distinct.len();
    }
}

fn sorted_set(labels: &[Hash]) -> Vec<Hash> {
    let mut set = labels.to_vec();
    set.sort_unstable();
    set.dedup();
    set
}

fn label(member: &Member, labels: &[Hash]) -> Hash {
    let mut hasher = blake3::Hasher::new_derive_key(LABEL);
    hasher.update(&member.bytes);
    for reference in &member.references {
        match reference {
            Reference::Outside(hash) => hasher.update(&[0]).update(hash),
            Reference::Member(place) => hasher.update(&[1]).update(&labels[*place]),
        };
    }
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes(seed: u8) -> Hash {
        hash_bytes(&[&[seed]])
    }

    fn hex(hash: &[u8]) -> String {
        hash.iter().map(|b| format!("{b:02x}")).collect()
    }

    fn member(seed: u8, references: &[usize]) -> Member {
        let references = references.iter().map(|r| Reference::Member(*r)).collect();
        Member { bytes: bytes(seed), references }
    }

    /// What this version of the format says, for other implementations; a change here needs a new [`VERSION`].
    #[test]
    fn global_names_keep_the_source_and_lose_the_crate() {
        let identity = Identity([0xa5; 16]);
        let digits = "A5".repeat(16);
        for (local, kept) in [
            (
                "_ZN5alloc3vec12Vec$LT$T$GT$4push17h0123456789abcdefE",
                "_ZN5alloc3vec12Vec$LT$T$GT$4push17ha5a5a5a5a5a5a5a5E",
            ),
            ("_ZN5alloc3vec17h0123456789abcdeE", "_ZN5alloc3vec17h0123456789abcdeE"),
            ("_RNvCs1_5alloc3one", "_RNvCs1_5alloc3one"),
            ("_ZL3onev", "_ZL3onev"),
            ("E", "E"),
        ] {
            let name = global_name(local, &identity);
            assert_eq!(name, format!("{kept}.llvm.{digits}"));
            assert_eq!((of_global_name(&name), of_global_name(local)), (Some(identity), None), "{name}");
        }
        assert_eq!(of_global_name("one.llvm.13017883462586295322"), None, "LLVM's own");
    }

    #[test]
    fn test_vectors() {
        assert_eq!(VERSION, 4);
        let leaf = hash_symbol(&bytes(1), &[]);
        let caller = hash_symbol(&bytes(2), &[leaf, leaf]);
        let circle = hash_component(&[member(1, &[1]), member(2, &[0, 1])]);
        let found = [hex(&leaf), hex(&caller), hex(&circle[0]), Identity::of(&caller, &leaf).to_string()];
        assert_eq!(found.each_ref().map(String::as_str), VECTORS);
    }

    const VECTORS: [&str; 4] = [
        "61aa0e98a411dc556313ead53768fa71a25b9ad66c6b8d2e0ab7b4574ba698b5",
        "a61a2bed6825ee8e6567f78c4ebbe6f27cd0ae4afe013d3782143616e7e0bd91",
        "ea7563d4702ce526d66b6f1aa885f78ef56b78b9a4bedb72ff24d79487d0d050",
        "b6778873597ca415226e560f04465605",
    ];

    #[test]
    fn parts_are_told_apart() {
        assert_ne!(hash_bytes(&[b"ab", b"c"]), hash_bytes(&[b"a", b"bc"]));
    }

    #[test]
    fn a_circle_is_not_what_it_looks_like_from_one_step() {
        // Both have members with the bytes 1 that call one with the bytes 2; where the way leads on differs.
        let two = hash_component(&[member(1, &[1]), member(2, &[0])]);
        let four = hash_component(&[member(1, &[1]), member(2, &[2]), member(1, &[3]), member(3, &[0])]);
        assert_ne!(two[0], four[0]);
        assert_ne!(two[1], four[1]);
        // The same bytes further down, one of them other.
        let long = |last: u8| {
            let mut circle: Vec<Member> = (0..20).map(|i| member(1, &[(i + 1) % 20])).collect();
            circle[19].bytes = bytes(last);
            hash_component(&circle)
        };
        let differ = long(2).iter().zip(long(3)).all(|(a, b)| *a != b);
        assert!(differ, "a change reaches every member");
    }

    #[test]
    fn members_that_behave_alike_are_alike() {
        let one = hash_component(&[member(1, &[0])]);
        let three = hash_component(&[member(1, &[1]), member(1, &[2]), member(1, &[0])]);
        assert_eq!(three, [one[0]; 3]);
    }

    fn graph() -> impl Strategy<Value = Vec<Member>> {
        let member = (0u8..3, proptest::collection::vec((0usize..8, any::<bool>()), 0..4));
        proptest::collection::vec(member, 1..8).prop_map(|list| {
            let count = list.len();
            let reference = |(to, outside): &(usize, bool)| match outside {
                true => Reference::Outside(bytes(*to as u8)),
                false => Reference::Member(to % count),
            };
            let member = |(seed, to): &(u8, Vec<(usize, bool)>)| Member {
                bytes: bytes(*seed),
                references: to.iter().map(reference).collect(),
            };
            list.iter().map(member).collect()
        })
    }

    /// Whether two members behave alike, found the slow way: by following both as far as there are pairs.
    fn alike(members: &[Member], pair: (usize, usize), seen: &mut Vec<(usize, usize)>) -> bool {
        if seen.contains(&pair) {
            return true;
        }
        seen.push(pair);
        let (a, b) = (&members[pair.0], &members[pair.1]);
        a.bytes == b.bytes
            && a.references.len() == b.references.len()
            && a.references.iter().zip(&b.references).all(|(a, b)| match (a, b) {
                (Reference::Member(a), Reference::Member(b)) => alike(members, (*a, *b), seen),
                (a, b) => a == b,
            })
    }

    proptest! {
        #[test]
        fn hashes_do_not_depend_on_the_order(members in graph(), seed in any::<u64>()) {
            let count = members.len();
            let mut order: Vec<usize> = (0..count).collect();
            order.sort_by_key(|i| blake3::hash(&[&seed.to_le_bytes()[..], &[*i as u8]].concat()).to_hex());
            let place = |old: usize| order.iter().position(|o| *o == old).expect("a permutation");
            let moved: Vec<Member> = order.iter().map(|old| {
                let mut member = members[*old].clone();
                for reference in &mut member.references {
                    if let Reference::Member(to) = reference {
                        *to = place(*to);
                    }
                }
                member
            }).collect();
            let (before, after) = (hash_component(&members), hash_component(&moved));
            for (new, old) in order.iter().enumerate() {
                prop_assert_eq!(before[*old], after[new]);
            }
        }

        #[test]
        fn hashes_are_equal_exactly_if_members_behave_alike(members in graph()) {
            let hashes = hash_component(&members);
            for a in 0..members.len() {
                for b in 0..members.len() {
                    prop_assert_eq!(hashes[a] == hashes[b], alike(&members, (a, b), &mut Vec::new()));
                }
            }
        }
    }
}
