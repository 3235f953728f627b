//! What units know of each other's functions, and how the cache keeps a unit. Bytes; no LLVM.

use std::collections::{HashMap, HashSet};

/// How far a unit looks: a call, the calls of what may be inlined there, and the calls of that. LLVM may inline those, too,
/// where constants come in; farther away it hardly ever does.
const STEPS: usize = 3;

/// A function as the units above see it: its body where it is small, and what its attributes promise.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Interface {
    pub name: String,
    /// A module with the function.
    pub bitcode: Vec<u8>,
    /// The functions that its body names.
    pub uses: Vec<String>,
}

/// Those of all units that are done.
#[derive(Default)]
pub struct Interfaces {
    by_name: HashMap<String, Interface>,
}

impl Interfaces {
    pub fn add(&mut self, offered: Vec<Interface>) {
        self.by_name.extend(offered.into_iter().map(|interface| (interface.name.clone(), interface)));
    }

    /// Those that matter to a unit with these calls, nearest first.
    pub fn seen_from<'a>(&'a self, calls: &'a [String]) -> Vec<&'a Interface> {
        let mut found: Vec<&Interface> = Vec::new();
        let mut seen: HashSet<&str> = HashSet::new();
        let mut step: Vec<&str> = calls.iter().map(String::as_str).collect();
        for _ in 0..STEPS {
            let begin = found.len();
            found.extend(step.iter().filter(|n| seen.insert(n)).filter_map(|name| self.by_name.get(*name)));
            step = found[begin..].iter().flat_map(|i| i.uses.iter().map(String::as_str)).collect();
        }
        found
    }
}

/// Each piece after its length as a u64: a unit's bodies, then name, uses (a line each) and bitcode of each interface.
pub fn encode(bodies: &[u8], interfaces: &[Interface]) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, bodies);
    for Interface { name, bitcode, uses } in interfaces {
        put(&mut out, name.as_bytes());
        put(&mut out, &(uses.len() as u64).to_le_bytes());
        for used in uses {
            put(&mut out, used.as_bytes());
        }
        put(&mut out, bitcode);
    }
    out
}

/// The inverse of [`encode`]; `None` for anything else.
pub fn decode(mut bytes: &[u8]) -> Option<(Vec<u8>, Vec<Interface>)> {
    let bodies = take(&mut bytes)?.to_vec();
    let mut interfaces = Vec::new();
    while !bytes.is_empty() {
        let name = text(take(&mut bytes)?)?;
        let count = u64::from_le_bytes(take(&mut bytes)?.try_into().ok()?);
        let uses = (0..count).map(|_| text(take(&mut bytes)?)).collect::<Option<Vec<String>>>()?;
        interfaces.push(Interface { name, uses, bitcode: take(&mut bytes)?.to_vec() });
    }
    Some((bodies, interfaces))
}

fn put(out: &mut Vec<u8>, piece: &[u8]) {
    out.extend((piece.len() as u64).to_le_bytes());
    out.extend(piece);
}

fn take<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = bytes.split_at_checked(8)?;
    let length = u64::from_le_bytes(length.try_into().ok()?);
    let (piece, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    *bytes = rest;
    Some(piece)
}

fn text(bytes: &[u8]) -> Option<String> {
    String::from_utf8(bytes.to_vec()).ok()
}
