//! Why objects cannot be composed: which object, what was found, what was expected.

pub type Result<T> = std::result::Result<T, ComposeError>;

/// `object` is the input's index, counted from 0. Whoever calls [`super::compose`] knows its name.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ComposeError {
    #[error("found no object to compose, expected at least one")]
    NoInput,
    #[error("object {object}: {what} cannot be read: {cause}")]
    Unreadable { object: usize, what: String, cause: String },
    #[error("object {object}: {place}: found {found}, expected {expected}")]
    Unexpected { object: usize, place: String, found: String, expected: String },
    #[error(
        "objects 0 and {object} differ in {what}: {first} and {other}; compile both with the same options"
    )]
    Differ { object: usize, what: String, first: String, other: String },
    #[error("{symbol} is defined in object {first} and in object {second}, expected one strong definition")]
    DefinedTwice { symbol: String, first: usize, second: usize },
    #[error(
        "COMDAT group {signature} of object {object} defines {symbol}, as an earlier object's does, and also what \
         that does not; expected the same symbols or none in common"
    )]
    GroupsOverlap { object: usize, signature: String, symbol: String },
    #[error(
        "{symbol} of object {object} becomes a local symbol, but it is {found}; expected a definition in one of the objects"
    )]
    NotLocal { object: usize, symbol: String, found: &'static str },
    #[error("two symbols get the name {name}, one of them is {symbol}; expected different names")]
    SameName { name: String, symbol: String },
    #[error("the composed object has more {what} than the format holds (32 bits); compose fewer objects")]
    TooLarge { what: &'static str },
}

/// How a name of an object is shown: names are bytes.
pub fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}
