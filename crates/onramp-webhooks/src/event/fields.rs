//! Reading an object in two steps: its members as raw JSON, then each field of a model.
//!
//! Internally tagged enums and `flatten` go through serde's own value type, which rounds numbers or fails on them, depending on
//! features that any other crate of the build can enable. `RawValue` is exact in every build.

use std::borrow::Cow;
use std::fmt;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::{DecodeError, Extra};

/// A value that can be read from a JSON text.
pub(crate) trait Decode: Sized {
    fn decode(json: &str) -> Result<Self, DecodeError>;
}

impl Decode for String {
    fn decode(json: &str) -> Result<Self, DecodeError> {
        let content = json.strip_prefix('"').and_then(|json| json.strip_suffix('"'));
        match content {
            Some(content) if !content.contains('\\') => Ok(content.to_owned()),
            _ => serde_json::from_str(json).map_err(|_| DecodeError::unreadable("not a string")),
        }
    }
}

/// The members of an object that have not been taken yet.
///
/// A field that is null or an empty string counts as missing. It is kept in [`Extra`], so that an event can be serialised as it was
/// received.
pub(crate) struct Fields<'a> {
    /// Sorted by name, so that a search is cheap for any number of members.
    members: Vec<(Cow<'a, str>, &'a RawValue)>,
}

impl<'a> Fields<'a> {
    pub(crate) fn read(json: &'a str) -> Result<Self, DecodeError> {
        let Members(mut members) = serde_json::from_str(json).map_err(|_| diagnose(json))?;
        members.sort_by(|(a, _), (b, _)| a.cmp(b));
        let twice = members.iter().zip(members.iter().skip(1)).find(|((a, _), (b, _))| a == b);
        match twice {
            None => Ok(Self { members }),
            Some(((name, _), _)) => Err(DecodeError::unreadable("given twice").under(&shown(name))),
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.members.get(self.find(name)?).map(|(_, value)| *value)
    }

    pub(crate) fn take(&mut self, name: &str) -> Option<&'a RawValue> {
        self.find(name).map(|at| self.members.remove(at).1)
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.members.binary_search_by(|(member, _)| (**member).cmp(name)).ok()
    }

    /// Takes every member whose name is `wanted`.
    pub(crate) fn take_all(&mut self, wanted: impl Fn(&str) -> bool) -> Vec<(String, &'a RawValue)> {
        let mut taken = Vec::new();
        self.members.retain(|(name, value)| {
            let keep = !wanted(name);
            if !keep {
                taken.push((name.clone().into_owned(), *value));
            }
            keep
        });
        taken
    }

    /// Takes a field that must be present and valid.
    pub(crate) fn required<T: Decode>(&mut self, name: &str) -> Result<T, DecodeError> {
        self.optional(name)?.ok_or_else(|| DecodeError::unreadable("missing").under(name))
    }

    /// Takes a field that may be missing, and must be valid if it is present.
    pub(crate) fn optional<T: Decode>(&mut self, name: &str) -> Result<Option<T>, DecodeError> {
        let Some((at, value)) = self.present(name) else { return Ok(None) };
        self.members.remove(at);
        T::decode(value.get()).map(Some).map_err(|error| error.under(name))
    }

    /// Takes a free-form field if it is valid; an invalid one stays among the members and is kept in [`Extra`].
    pub(crate) fn if_fits<T: Decode>(&mut self, name: &str) -> Result<Option<T>, DecodeError> {
        let fitting = self.present(name).and_then(|(at, value)| Some((at, T::decode(value.get()).ok()?)));
        Ok(fitting.map(|(at, value)| {
            self.members.remove(at);
            value
        }))
    }

    fn present(&self, name: &str) -> Option<(usize, &'a RawValue)> {
        let at = self.find(name)?;
        let (_, value) = self.members.get(at)?;
        Some((at, *value)).filter(|(_, value)| !matches!(value.get(), "null" | "\"\""))
    }
}

impl From<Fields<'_>> for Extra {
    fn from(fields: Fields<'_>) -> Self {
        fields.members.into_iter().map(|(name, value)| (name.into_owned(), value.into())).collect()
    }
}

#[cold]
fn diagnose(json: &str) -> DecodeError {
    match serde_json::from_str::<IgnoredAny>(json) {
        Err(error) => DecodeError::syntax(&error),
        Ok(_) if json.trim_ascii_start().starts_with('{') => DecodeError::unreadable("a field's name is not Unicode"),
        Ok(_) => DecodeError::not_an_object(),
    }
}

/// Escapes and shortens a received name for a log line.
fn shown(name: &str) -> String {
    name.chars().take(64).flat_map(char::escape_debug).collect()
}

struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::with_capacity(8);
        while let Some((Name(name), value)) = map.next_entry()? {
            members.push((name, value));
        }
        Ok(Members(members))
    }
}

#[cfg(test)]
mod tests {
    use super::super::DecodeErrorKind;
    use super::*;

    fn error(json: &str) -> DecodeError {
        Fields::read(json).err().unwrap()
    }

    #[test]
    fn null_and_empty_count_as_missing_and_are_kept() {
        let mut fields = Fields::read(r#"{"a":null,"b":"","c":"x","d":"\u0000"}"#).unwrap();
        assert_eq!(fields.optional::<String>("a"), Ok(None));
        assert_eq!(fields.optional::<String>("b"), Ok(None));
        assert_eq!(fields.required::<String>("b").unwrap_err().to_string(), "b: missing");
        assert_eq!(fields.required::<String>("c").as_deref(), Ok("x"));
        assert_eq!(fields.if_fits::<super::super::Amount>("d"), Ok(None));
        let extra = Extra::from(fields);
        assert_eq!(
            extra.iter().map(|(name, value)| format!("{name}={}", value.as_str())).collect::<Vec<_>>(),
            ["a=null", "b=\"\"", r#"d="\u0000""#]
        );
    }

    #[test]
    fn errors_contain_the_kind_and_no_content() {
        for (json, kind, text) in [
            ("", DecodeErrorKind::NotJson, "not JSON: line 1, column 0"),
            (r#"{"secret":"#, DecodeErrorKind::NotJson, "not JSON: line 1, column 10"),
            (r#"{"secret":secret}"#, DecodeErrorKind::NotJson, "not JSON: line 1, column 11"),
            (r#"{} {}"#, DecodeErrorKind::NotJson, "not JSON: line 1, column 4"),
            (r#""secret""#, DecodeErrorKind::NotAnObject, "not an object"),
            ("[{}]", DecodeErrorKind::NotAnObject, "not an object"),
            (r#"{"\ud800":1}"#, DecodeErrorKind::Unreadable, "a field's name is not Unicode"),
            (r#"{"a":1,"b":2,"\u0061":1}"#, DecodeErrorKind::Unreadable, "a: given twice"),
            (r#"{"\n":1,"\n":1}"#, DecodeErrorKind::Unreadable, "\\n: given twice"),
        ] {
            assert_eq!((error(json).kind(), error(json).to_string().as_str()), (kind, text), "{json}");
        }
        let long = "x".repeat(1 << 16);
        assert!(error(&format!(r#"{{"{long}":1,"{long}":1}}"#)).to_string().len() < 100);
    }
}
