//! Reading an object in two steps: its members once, as raw JSON, then each field that a model knows.
//!
//! Internally tagged enums and `flatten` would go through serde's own value type, which rounds numbers or fails on them, depending
//! on the features that some other crate switches on. `RawValue` is exact in every build.

use std::borrow::Cow;
use std::fmt;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::{DecodeError, Extra};

/// A value that can be read from its text, which is known to be JSON.
pub(crate) trait Decode: Sized {
    fn decode(json: &str) -> Result<Self, DecodeError>;
}

impl Decode for String {
    fn decode(json: &str) -> Result<Self, DecodeError> {
        let content = json.strip_prefix('"').and_then(|json| json.strip_suffix('"'));
        match content {
            Some(content) if !content.contains('\\') => Ok(content.to_owned()),
            _ => serde_json::from_str(json).map_err(|_| DecodeError::misfit("not a string")),
        }
    }
}

/// The members of an object that nobody has taken yet.
///
/// A field that is null or the empty string counts as missing. It stays among the others and ends in [`Extra`], so that an event
/// can be written back as it came.
pub(crate) struct Fields<'a> {
    /// Ordered by name: a search costs little, however many members a stranger sends.
    members: Vec<(Cow<'a, str>, &'a RawValue)>,
}

impl<'a> Fields<'a> {
    pub(crate) fn read(json: &'a str) -> Result<Self, DecodeError> {
        let Members(mut members) = serde_json::from_str(json).map_err(|_| diagnose(json))?;
        members.sort_by(|(a, _), (b, _)| a.cmp(b));
        let twice = members.iter().zip(members.iter().skip(1)).find(|((a, _), (b, _))| a == b);
        match twice {
            None => Ok(Self { members }),
            Some(((name, _), _)) => Err(DecodeError::misfit("given twice").under(&shown(name))),
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

    /// A field that must be there and fit.
    pub(crate) fn required<T: Decode>(&mut self, name: &str) -> Result<T, DecodeError> {
        self.optional(name)?.ok_or_else(|| DecodeError::misfit("missing").under(name))
    }

    /// A field that may be missing; if it is there it must fit.
    pub(crate) fn optional<T: Decode>(&mut self, name: &str) -> Result<Option<T>, DecodeError> {
        let Some((at, value)) = self.present(name) else { return Ok(None) };
        self.members.remove(at);
        T::decode(value.get()).map(Some).map_err(|error| error.under(name))
    }

    /// A field that the provider leaves free: taken if it fits, else left to [`Extra`].
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
        Ok(_) if json.trim_ascii_start().starts_with('{') => DecodeError::misfit("a field's name is not Unicode"),
        Ok(_) => DecodeError::not_an_object(),
    }
}

/// A name that a stranger chose, fit for a log line.
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
    fn errors_tell_the_kind_and_nothing_of_the_content() {
        for (json, kind, text) in [
            ("", DecodeErrorKind::NotJson, "not JSON: line 1, column 0"),
            (r#"{"secret":"#, DecodeErrorKind::NotJson, "not JSON: line 1, column 10"),
            (r#"{"secret":secret}"#, DecodeErrorKind::NotJson, "not JSON: line 1, column 11"),
            (r#"{} {}"#, DecodeErrorKind::NotJson, "not JSON: line 1, column 4"),
            (r#""secret""#, DecodeErrorKind::NotAnObject, "not an object"),
            ("[{}]", DecodeErrorKind::NotAnObject, "not an object"),
            (r#"{"\ud800":1}"#, DecodeErrorKind::Misfit, "a field's name is not Unicode"),
            (r#"{"a":1,"b":2,"\u0061":1}"#, DecodeErrorKind::Misfit, "a: given twice"),
            (r#"{"\n":1,"\n":1}"#, DecodeErrorKind::Misfit, "\\n: given twice"),
        ] {
            assert_eq!((error(json).kind(), error(json).to_string().as_str()), (kind, text), "{json}");
        }
        let long = "x".repeat(1 << 16);
        assert!(error(&format!(r#"{{"{long}":1,"{long}":1}}"#)).to_string().len() < 100);
    }
}
