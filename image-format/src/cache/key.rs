//! Keys: a hash of everything that the cached bytes depend on.

use super::VERSION;
use std::fmt::Write;

/// What an entry holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The output for a whole input.
    Image = 0,
    /// The object of one shard.
    Shard = 1,
    /// The object of one part of a shard: a target's bodies, or the tables.
    Part = 2,
    /// Functions of a module, simplified.
    Unit = 3,
}

impl Kind {
    pub const ALL: [Kind; 4] = [Kind::Image, Kind::Shard, Kind::Part, Kind::Unit];

    /// The word in file names, in the journal and in what users read.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Image => "image",
            Kind::Shard => "shard",
            Kind::Part => "part",
            Kind::Unit => "unit",
        }
    }

    pub fn from_word(word: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|k| k.word() == word)
    }
}

/// The name of an entry. Made by a [`KeyBuilder`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    kind: Kind,
    hash: [u8; 32],
}

impl Key {
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The hash as 64 hex digits.
    pub fn to_hex(&self) -> String {
        self.hash.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The inverse of [`Key::to_hex`]; `None` for anything else.
    pub fn from_hex(kind: Kind, hex: &str) -> Option<Key> {
        let digits = hex.as_bytes();
        if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Key { kind, hash })
    }

    pub fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// 64 hex digits and the kind.
    pub fn file_name(&self) -> String {
        let mut name = String::with_capacity(70);
        for byte in self.hash {
            // Writing to a string cannot fail.
            let _ = write!(name, "{byte:02x}");
        }
        name.push('.');
        name.push_str(self.kind.word());
        name
    }
}

/// Hashes named fields. Two sequences of fields that differ in anything (a name, a value, a type, the
/// order, where one ends and the next begins) hash different bytes.
///
/// ```
/// use image_format::cache::{KeyBuilder, Kind};
/// let mut key = KeyBuilder::new(Kind::Part);
/// key.bytes("plugin", b"build 12").number("level", 3).list("features", ["+avx2", "-fma4"]);
/// assert_eq!(key.finish().kind(), Kind::Part);
/// ```
#[derive(Clone)]
pub struct KeyBuilder {
    kind: Kind,
    hasher: blake3::Hasher,
}

/// Begins a field; what type it has.
pub(super) const BYTES: u8 = b'B';
pub(super) const NUMBER: u8 = b'N';
pub(super) const LIST: u8 = b'L';

impl KeyBuilder {
    /// Keys of different kinds or versions never meet: each has a derived hash function of its own.
    pub fn new(kind: Kind) -> KeyBuilder {
        let context = format!("Julienne 2026 cache, format {VERSION}, key of kind {}", kind.word());
        KeyBuilder { kind, hasher: blake3::Hasher::new_derive_key(&context) }
    }

    pub fn bytes(&mut self, name: &str, value: impl AsRef<[u8]>) -> &mut KeyBuilder {
        bytes(&mut |piece| self.take(piece), name, value.as_ref());
        self
    }

    pub fn number(&mut self, name: &str, value: u64) -> &mut KeyBuilder {
        number(&mut |piece| self.take(piece), name, value);
        self
    }

    /// The items in their order.
    pub fn list<T: AsRef<[u8]>>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
    ) -> &mut KeyBuilder {
        let items: Vec<T> = items.into_iter().collect();
        list(&mut |piece| self.take(piece), name, &items);
        self
    }

    fn take(&mut self, piece: &[u8]) {
        self.hasher.update(piece);
    }

    pub fn finish(&self) -> Key {
        Key { kind: self.kind, hash: *self.hasher.finalize().as_bytes() }
    }
}

// What is hashed: a byte for the type, the name, the value; everything of variable length after its length
// as a u64. So whatever follows, a reader could tell where each field ends.

fn prefixed(sink: &mut impl FnMut(&[u8]), piece: &[u8]) {
    sink(&(piece.len() as u64).to_le_bytes());
    sink(piece);
}

fn bytes(sink: &mut impl FnMut(&[u8]), name: &str, value: &[u8]) {
    sink(&[BYTES]);
    prefixed(sink, name.as_bytes());
    prefixed(sink, value);
}

fn number(sink: &mut impl FnMut(&[u8]), name: &str, value: u64) {
    sink(&[NUMBER]);
    prefixed(sink, name.as_bytes());
    sink(&value.to_le_bytes());
}

fn list<T: AsRef<[u8]>>(sink: &mut impl FnMut(&[u8]), name: &str, items: &[T]) {
    sink(&[LIST]);
    prefixed(sink, name.as_bytes());
    sink(&(items.len() as u64).to_le_bytes());
    for item in items {
        prefixed(sink, item.as_ref());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug, PartialEq)]
    enum Value {
        Bytes(Vec<u8>),
        Number(u64),
        List(Vec<Vec<u8>>),
    }

    type Field = (String, Value);

    fn encode(fields: &[Field]) -> Vec<u8> {
        let mut out = Vec::new();
        let sink = &mut |piece: &[u8]| out.extend_from_slice(piece);
        for (name, value) in fields {
            match value {
                Value::Bytes(value) => bytes(sink, name, value),
                Value::Number(value) => number(sink, name, *value),
                Value::List(items) => list(sink, name, items),
            }
        }
        out
    }

    fn key(fields: &[Field]) -> Key {
        let mut key = KeyBuilder::new(Kind::Shard);
        for (name, value) in fields {
            match value {
                Value::Bytes(value) => key.bytes(name, value),
                Value::Number(value) => key.number(name, *value),
                Value::List(items) => key.list(name, items),
            };
        }
        key.finish()
    }

    /// The inverse: that there is one means that no two sequences give the same bytes.
    fn decode(mut rest: &[u8]) -> Option<Vec<Field>> {
        fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
            let (piece, after) = rest.split_at_checked(count)?;
            *rest = after;
            Some(piece)
        }
        fn number(rest: &mut &[u8]) -> Option<u64> {
            Some(u64::from_le_bytes(take(rest, 8)?.try_into().ok()?))
        }
        fn piece(rest: &mut &[u8]) -> Option<Vec<u8>> {
            let length = number(rest)?;
            Some(take(rest, length.try_into().ok()?)?.to_vec())
        }
        let mut fields = Vec::new();
        while !rest.is_empty() {
            let tag = take(&mut rest, 1)?[0];
            let name = String::from_utf8(piece(&mut rest)?).ok()?;
            let value = match tag {
                BYTES => Value::Bytes(piece(&mut rest)?),
                NUMBER => Value::Number(number(&mut rest)?),
                LIST => {
                    let count = number(&mut rest)?;
                    Value::List((0..count).map(|_| piece(&mut rest)).collect::<Option<_>>()?)
                }
                _ => return None,
            };
            fields.push((name, value));
        }
        Some(fields)
    }

    fn fields() -> impl Strategy<Value = Vec<Field>> {
        // Few letters, so that names and values are often alike and run into each other.
        let text = || prop::collection::vec(prop::sample::select(vec![0u8, b'B', b'N', 1, 8]), 0..12);
        let value = prop_oneof![
            text().prop_map(Value::Bytes),
            (0u64..3).prop_map(Value::Number),
            prop::collection::vec(text(), 0..4).prop_map(Value::List),
        ];
        prop::collection::vec(("[BNL\u{0}]{0,3}", value), 0..6)
    }

    proptest! {
        #[test]
        fn what_is_hashed_tells_the_fields(fields in fields()) {
            prop_assert_eq!(decode(&encode(&fields)), Some(fields));
        }

        #[test]
        fn different_fields_have_different_keys(one in fields(), other in fields()) {
            prop_assert_eq!(one == other, key(&one) == key(&other));
        }

        #[test]
        fn the_key_is_the_hash_of_what_is_encoded(fields in fields()) {
            let context = "Julienne 2026 cache, format 1, key of kind shard";
            let hash = blake3::derive_key(context, &encode(&fields));
            prop_assert_eq!(*key(&fields).hash(), hash);
        }
    }

    #[test]
    fn kinds_have_keys_of_their_own() {
        let of = |kind| KeyBuilder::new(kind).bytes("a", b"b").finish();
        let keys = Kind::ALL.map(of);
        assert!(keys[0].hash != keys[1].hash && keys[1].hash != keys[2].hash && keys[0].hash != keys[2].hash);
        for kind in Kind::ALL {
            assert_eq!(Kind::from_word(kind.word()), Some(kind));
        }
    }

    /// Caches outlive releases: when this changes, VERSION must.
    #[test]
    fn keys_stay_what_they_are() {
        let mut key = KeyBuilder::new(Kind::Part);
        key.bytes("plugin", b"build").number("level", 3).list("features", ["+avx2", ""]);
        assert_eq!(
            key.finish().file_name(),
            "0a703c16db4b0b6ae3508ea3ff048e17bc2ee41ccb9c128e9fa158d88f5a8315.part"
        );
    }
}
