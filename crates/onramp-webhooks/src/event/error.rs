//! Why a body could not be read as an event.

use std::borrow::Cow;
use std::fmt;

/// A body that could not be read. Tells where and why in words that hold nothing of the body but field names.
///
/// ```
/// use onramp_webhooks::event::{DecodeErrorKind, Event, Provider};
///
/// let error = Event::decode(Provider::Wert, br#"{"type":"order_complete","order":{"base":5}}"#).unwrap_err();
/// assert_eq!(error.kind(), DecodeErrorKind::Misfit);
/// assert_eq!(error.to_string(), "order.base: not a string");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError {
    kind: DecodeErrorKind,
    path: String,
    reason: Cow<'static, str>,
}

/// How far the reading of a body came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// Empty, not UTF-8, cut off, or otherwise not JSON.
    NotJson,
    /// JSON, but not an object.
    NotAnObject,
    /// An object that does not fit: a field is missing, has a value of the wrong kind, or is given twice.
    Misfit,
}

impl DecodeError {
    pub(crate) fn not_json(reason: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: DecodeErrorKind::NotJson, path: String::new(), reason: reason.into() }
    }

    /// serde_json's own message could quote the body.
    pub(crate) fn syntax(error: &serde_json::Error) -> Self {
        Self::not_json(format!("not JSON: line {}, column {}", error.line(), error.column()))
    }

    pub(crate) fn not_an_object() -> Self {
        Self { kind: DecodeErrorKind::NotAnObject, path: String::new(), reason: "not an object".into() }
    }

    pub(crate) fn misfit(reason: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: DecodeErrorKind::Misfit, path: String::new(), reason: reason.into() }
    }

    /// The same error, seen from the object that holds it as `field`.
    pub(crate) fn under(self, field: &str) -> Self {
        let path = if self.path.is_empty() { field.to_owned() } else { format!("{field}.{}", self.path) };
        Self { kind: DecodeErrorKind::Misfit, path, ..self }
    }

    /// How far the reading came.
    #[must_use]
    pub const fn kind(&self) -> DecodeErrorKind {
        self.kind
    }

    /// Whether the body was no JSON object at all, which no upgrade of this crate will make readable.
    #[must_use]
    pub const fn is_junk(&self) -> bool {
        matches!(self.kind, DecodeErrorKind::NotJson | DecodeErrorKind::NotAnObject)
    }

    /// The field that did not fit, as names joined by dots (`order.base_amount`); empty for the body as a whole.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() { f.write_str(&self.reason) } else { write!(f, "{}: {}", self.path, self.reason) }
    }
}

impl std::error::Error for DecodeError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_grows_outwards_and_makes_it_a_misfit() {
        let error = DecodeError::not_an_object().under("order").under("data");
        assert_eq!(error.to_string(), "data.order: not an object");
        assert_eq!(error.path(), "data.order");
        assert!(!error.is_junk());
    }
}
