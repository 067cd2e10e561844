//! Lenient parsing of JSON responses.
//!
//! An object is parsed once into raw members, from which a model takes the fields it knows. As in the core's models, a missing,
//! null or empty field is `None`, an invalid one is kept among the extra fields, and no number is converted to a float.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use onramp_webhooks::event::{Extra, RawJson};
use serde::de::{DeserializeOwned, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::error::{ClientError, ClientErrorKind};

/// The members of an object that have not been taken yet.
pub(crate) struct Object(BTreeMap<String, RawJson>);

impl Object {
    /// Parses the body of a response.
    pub(crate) fn parse_body(operation: &'static str, body: &[u8]) -> Result<Self, ClientError> {
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        let not_json = |detail: String| ClientError::new(ClientErrorKind::NotJson, operation).with_detail(detail);
        let text = str::from_utf8(body).map_err(|_| not_json("not UTF-8".into()))?;
        // serde_json's own message could quote the body.
        let value: RawJson = text.parse().map_err(|error| not_json(format!("{error}")))?;
        Self::parse(&value).map_err(|reason| unreadable(operation, reason))
    }

    /// Parses a value that should be an object.
    pub(crate) fn parse(value: &RawJson) -> Result<Self, &'static str> {
        match value.as_str().starts_with('{') {
            true => serde_json::from_str(value.as_str()).map_err(|_| "a field is given twice"),
            false => Err("not an object"),
        }
    }

    /// Takes a field, unless it is null or the empty string.
    pub(crate) fn take(&mut self, name: &str) -> Option<RawJson> {
        let present = self.0.get(name).is_some_and(|value| !matches!(value.as_str(), "null" | "\"\""));
        if present { self.0.remove(name) } else { None }
    }

    /// Takes a field if it deserializes as `T`.
    pub(crate) fn take_valid<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        self.take_with(name, |value| serde_json::from_str(value.as_str()).ok())
    }

    /// Takes a field that is a string or a number, as text.
    pub(crate) fn take_text<T: for<'a> From<&'a str>>(&mut self, name: &str) -> Option<T> {
        self.take_with(name, |value| value.to_text().map(|text: Cow<'_, str>| T::from(&text)))
    }

    /// Takes a field if `parse` accepts it.
    pub(crate) fn take_with<T>(&mut self, name: &str, parse: impl Fn(&RawJson) -> Option<T>) -> Option<T> {
        let value = self.take(name)?;
        let parsed = parse(&value);
        if parsed.is_none() {
            self.0.insert(name.to_owned(), value);
        }
        parsed
    }

    /// Returns the members that were not taken.
    pub(crate) fn into_extra(self) -> Extra {
        self.0.into_iter().collect()
    }
}

/// Returns the error for a response that is JSON but does not have the documented form.
pub(crate) fn unreadable(operation: &'static str, detail: impl Into<Cow<'static, str>>) -> ClientError {
    ClientError::new(ClientErrorKind::Unreadable, operation).with_detail(detail)
}

/// Returns `true` for the values `true` and `"true"`.
pub(crate) fn is_true(value: &RawJson) -> bool {
    value.as_str() == "true" || value.to_text().is_some_and(|text| text.eq_ignore_ascii_case("true"))
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
        let mut members = BTreeMap::new();
        while let Some((name, value)) = map.next_entry::<String, RawJson>()? {
            if members.insert(name, value).is_some() {
                return Err(A::Error::custom("given twice"));
            }
        }
        Ok(Object(members))
    }
}

#[cfg(test)]
mod tests {
    use onramp_webhooks::event::Amount;
    use onramp_webhooks::wert::ClickId;

    use super::*;

    fn object(json: &str) -> Object {
        Object::parse(&json.parse().unwrap()).ok().unwrap()
    }

    #[test]
    fn invalid_fields_are_kept() {
        let mut object = object(r#"{"a":"1.50","b":1.50,"c":null,"d":"","e":-1,"f":{"x":1.0},"g":7}"#);
        assert_eq!(object.take_valid::<Amount>("a"), object.take_valid::<Amount>("b"));
        assert_eq!(object.take_valid::<Amount>("c"), None);
        assert_eq!(object.take_valid::<String>("d"), None);
        assert_eq!(object.take_valid::<Amount>("e"), None);
        assert_eq!(object.take_text::<ClickId>("f"), None);
        assert_eq!(object.take_text::<ClickId>("g").unwrap().as_str(), "7");
        let extra = object.into_extra();
        let kept: Vec<_> = extra.iter().map(|(name, value)| (name, value.as_str())).collect();
        assert_eq!(kept, [("c", "null"), ("d", "\"\""), ("e", "-1"), ("f", r#"{"x":1.0}"#)]);
    }

    #[test]
    fn errors_do_not_contain_the_content() {
        for (body, kind) in [
            (&b""[..], ClientErrorKind::NotJson),
            (b"<html>secret", ClientErrorKind::NotJson),
            (b"{\"secret\":", ClientErrorKind::NotJson),
            (b"\xff", ClientErrorKind::NotJson),
            (b"[\"secret\"]", ClientErrorKind::Unreadable),
            (b"{\"secret\":1,\"secret\":2}", ClientErrorKind::Unreadable),
        ] {
            let error = Object::parse_body("testing", body).err().unwrap();
            assert_eq!(error.kind(), kind);
            assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
        }
        assert!(Object::parse_body("testing", b"\xef\xbb\xbf{}").is_ok());
    }
}
