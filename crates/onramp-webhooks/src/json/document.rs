//! Received bodies as JSON.

use std::fmt;

use serde::de::IgnoredAny;

use super::tree::Json;

/// A received body, parsed once: its event and its fingerprint are read from the same tree.
pub struct Document<'a> {
    body: &'a [u8],
    text: Option<&'a str>,
    json: Option<Json<'a>>,
}

/// The reason why a body is not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Malformed {
    NotUtf8,
    Syntax { line: usize, column: usize },
}

impl<'a> Document<'a> {
    /// Parses a body, which may be any bytes. A byte-order mark is skipped.
    #[must_use]
    pub fn new(body: &'a [u8]) -> Self {
        let text = str::from_utf8(without_bom(body)).ok();
        Self { body, text, json: text.and_then(Json::parse) }
    }

    /// Returns the exact bytes of the body.
    #[must_use]
    pub const fn body(&self) -> &'a [u8] {
        self.body
    }

    pub(crate) fn body_without_bom(&self) -> &'a [u8] {
        without_bom(self.body)
    }

    pub(crate) fn json(&self) -> Option<&Json<'a>> {
        self.json.as_ref()
    }

    /// Returns a body that is not JSON as text.
    pub(crate) const fn text(&self) -> Option<&'a str> {
        self.text
    }

    /// Returns the reason why the body is not JSON.
    #[cold]
    pub(crate) fn malformed(&self) -> Malformed {
        self.text.map_or(Malformed::NotUtf8, Malformed::of)
    }
}

impl Malformed {
    /// Finds the first error in a text that is not JSON.
    #[cold]
    pub(crate) fn of(text: &str) -> Self {
        let error = serde_json::from_str::<IgnoredAny>(text).err();
        let (line, column) = error.map_or((1, 0), |error| (error.line(), error.column()));
        Self::Syntax { line, column }
    }
}

/// Leaves out the body, which may hold personal data.
impl fmt::Debug for Document<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document").field("bytes", &self.body.len()).finish_non_exhaustive()
    }
}

fn without_bom(body: &[u8]) -> &[u8] {
    body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body)
}
