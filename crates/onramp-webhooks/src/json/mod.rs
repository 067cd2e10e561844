//! JSON as a tree that borrows its text: numbers are text, objects keep repeated members, and nothing is copied.
//!
//! A body is parsed once. Models, dedup keys and the fingerprint are taken from the same tree.

mod canonical;
mod document;
mod parse;
#[cfg(test)]
mod tests;
mod tree;
mod value;

pub(crate) use self::canonical::spelled;
pub use self::document::Document;
pub(crate) use self::document::Malformed;
pub(crate) use self::tree::Json;
pub(crate) use self::value::Value;
