//! Errors of reading events.

use std::borrow::Cow;
use std::fmt;

use crate::json::Malformed;

/// Error returned when reading a body as an event. The message names the field and the reason, and quotes no value of the body.
///
/// ```
/// use onramp_webhooks::WertEvent;
/// use onramp_webhooks::event::DecodeErrorKind;
/// use onramp_webhooks::provider::ProviderEvent;
///
/// let error = WertEvent::read(br#"{"type":"order_complete","order":{"base":5}}"#).unwrap_err();
/// assert_eq!(error.kind(), DecodeErrorKind::Unreadable);
/// assert_eq!(error.to_string(), "order.base: not a string");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError {
    kind: DecodeErrorKind,
    path: String,
    reason: Cow<'static, str>,
}

/// The kind of a [`DecodeError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// The body is empty, not UTF-8, cut off, or otherwise not JSON.
    NotJson,
    /// The body is JSON, but not an object.
    NotAnObject,
    /// The object does not match the event type: a field is missing, occurs twice, or has a value of the wrong type.
    Unreadable,
}

impl DecodeError {
    /// Creates an error for a body that is not JSON, or not in the provider's format at all.
    #[must_use]
    pub fn not_json(reason: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: DecodeErrorKind::NotJson, path: String::new(), reason: reason.into() }
    }

    /// Creates an error for a body that is not JSON.
    pub(crate) fn malformed(malformed: Malformed) -> Self {
        match malformed {
            Malformed::NotUtf8 => Self::not_json("not UTF-8"),
            Malformed::Syntax { line, column } => Self::not_json(format!("not JSON: line {line}, column {column}")),
        }
    }

    pub(crate) fn not_an_object() -> Self {
        Self { kind: DecodeErrorKind::NotAnObject, path: String::new(), reason: "not an object".into() }
    }

    /// Creates an error for a body that does not match its event type. `reason` must not quote values of the body.
    #[must_use]
    pub fn unreadable(reason: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: DecodeErrorKind::Unreadable, path: String::new(), reason: reason.into() }
    }

    /// Prepends `field` to the path of the error.
    pub(crate) fn under(self, field: &str) -> Self {
        let path = if self.path.is_empty() { field.to_owned() } else { format!("{field}.{}", self.path) };
        Self { kind: DecodeErrorKind::Unreadable, path, ..self }
    }

    /// Returns the kind of the error.
    #[must_use]
    pub const fn kind(&self) -> DecodeErrorKind {
        self.kind
    }

    /// Returns whether the body is not a JSON object, so that no later version of this crate can read it either.
    #[must_use]
    pub const fn is_noise(&self) -> bool {
        matches!(self.kind, DecodeErrorKind::NotJson | DecodeErrorKind::NotAnObject)
    }

    /// Returns the path of the invalid field, as names joined by dots (`order.base_amount`), or an empty string for the whole body.
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

/// Keeps the position of the error and drops its message, which could quote the body.
impl From<serde_json::Error> for DecodeError {
    fn from(error: serde_json::Error) -> Self {
        match error.classify() {
            serde_json::error::Category::Data => {
                Self::unreadable(format!("does not fit: line {}, column {}", error.line(), error.column()))
            }
            _ => Self::malformed(Malformed::Syntax { line: error.line(), column: error.column() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outer_fields_are_added_to_the_path() {
        let error = DecodeError::not_an_object().under("order").under("data");
        assert_eq!(error.to_string(), "data.order: not an object");
        assert_eq!(error.path(), "data.order");
        assert!(!error.is_noise());
    }
}
