//! Reading the fields of a model from the members of an object.

use std::borrow::Cow;

use smol_str::SmolStr;

use super::{DecodeError, Extra};
use crate::json::{Json, Malformed, Value};

/// A value that can be read from JSON.
pub(crate) trait Decode: Sized {
    fn decode(value: Value<'_>) -> Result<Self, DecodeError>;

    /// Reads a text that contains one JSON value.
    fn decode_text(text: &str) -> Result<Self, DecodeError> {
        Self::decode(Json::parse(text).ok_or_else(|| DecodeError::malformed(Malformed::of(text)))?.root())
    }
}

impl Decode for String {
    fn decode(value: Value<'_>) -> Result<Self, DecodeError> {
        value.string().map(Cow::into_owned).ok_or_else(|| DecodeError::unreadable("not a string"))
    }
}

impl Decode for SmolStr {
    fn decode(value: Value<'_>) -> Result<Self, DecodeError> {
        value.string().map(Self::from).ok_or_else(|| DecodeError::unreadable("not a string"))
    }
}

/// The members of an object that have not been taken yet.
///
/// A field that is null or an empty string counts as missing. It is kept in [`Extra`], so that an event can be serialised as it was
/// received.
pub(crate) struct Fields<'t> {
    object: Value<'t>,
    taken: Taken,
}

impl<'t> Fields<'t> {
    pub(crate) fn read(object: Value<'t>) -> Result<Self, DecodeError> {
        if !object.is_object() {
            return Err(DecodeError::not_an_object());
        }
        if object.is_too_deep() {
            return Err(DecodeError::unreadable("nested too deeply"));
        }
        if !object.has_names() {
            return Err(DecodeError::unreadable("a field's name is not Unicode"));
        }
        match object.repeated_member() {
            None => Ok(Self { object, taken: Taken::default() }),
            Some(member) => Err(DecodeError::unreadable("given twice").under(&shown(&member.name().unwrap_or_default()))),
        }
    }

    /// Returns a field by its name in [canonical form](crate::json::spelled), which is the same for plain names.
    pub(crate) fn get(&self, name: &str) -> Option<Value<'t>> {
        self.find(name).map(|(_, value)| value)
    }

    pub(crate) fn take(&mut self, name: &str) -> Option<Value<'t>> {
        let (at, value) = self.find(name)?;
        self.taken.insert(at);
        Some(value)
    }

    fn find(&self, name: &str) -> Option<(usize, Value<'t>)> {
        self.object.member(name).filter(|(at, _)| !self.taken.contains(*at))
    }

    /// Takes every member whose name is `wanted`.
    pub(crate) fn take_all(&mut self, wanted: impl Fn(&str) -> bool) -> Vec<(Cow<'t, str>, Value<'t>)> {
        let mut all = Vec::new();
        for (at, name, value) in Self::left(self.object, &self.taken.clone()) {
            if wanted(&name) {
                self.taken.insert(at);
                all.push((name, value));
            }
        }
        all
    }

    /// Returns the members that are not taken, with their positions and names.
    fn left<'a>(object: Value<'t>, taken: &'a Taken) -> impl Iterator<Item = (usize, Cow<'t, str>, Value<'t>)> + use<'a, 't> {
        let members = object.members().enumerate().filter(|(at, _)| !taken.contains(*at));
        members.filter_map(|(at, member)| Some((at, member.name()?, member)))
    }

    /// Takes a field that must be present and valid.
    pub(crate) fn required<T: Decode>(&mut self, name: &str) -> Result<T, DecodeError> {
        self.optional(name)?.ok_or_else(|| DecodeError::unreadable("missing").under(name))
    }

    /// Takes a field that may be missing, and must be valid if it is present.
    pub(crate) fn optional<T: Decode>(&mut self, name: &str) -> Result<Option<T>, DecodeError> {
        let Some((at, value)) = self.present(name) else { return Ok(None) };
        self.taken.insert(at);
        T::decode(value).map(Some).map_err(|error| error.under(name))
    }

    /// Takes a free-form field if it is valid; an invalid one stays among the members and is kept in [`Extra`].
    pub(crate) fn if_fits<T: Decode>(&mut self, name: &str) -> Result<Option<T>, DecodeError> {
        let fitting = self.present(name).and_then(|(at, value)| Some((at, T::decode(value).ok()?)));
        Ok(fitting.map(|(at, value)| {
            self.taken.insert(at);
            value
        }))
    }

    fn present(&self, name: &str) -> Option<(usize, Value<'t>)> {
        self.find(name).filter(|(_, value)| !matches!(value.text(), "null" | "\"\""))
    }
}

impl From<Fields<'_>> for Extra {
    fn from(fields: Fields<'_>) -> Self {
        Fields::left(fields.object, &fields.taken).map(|(_, name, value)| (SmolStr::from(name), value.into())).collect()
    }
}

/// A set of positions. Objects with few members need no memory for it.
#[derive(Clone, Default)]
struct Taken {
    first: u64,
    more: Vec<u64>,
}

impl Taken {
    fn insert(&mut self, at: usize) {
        let (word, bit) = (at / 64, 1 << (at % 64));
        if word > self.more.len() {
            self.more.resize(word, 0);
        }
        *self.more.get_mut(word.wrapping_sub(1)).unwrap_or(&mut self.first) |= bit;
    }

    fn contains(&self, at: usize) -> bool {
        let word = match at / 64 {
            0 => self.first,
            word => self.more.get(word - 1).copied().unwrap_or_default(),
        };
        word & 1 << (at % 64) != 0
    }
}

/// Escapes and shortens a received name for a log line.
fn shown(name: &str) -> String {
    name.chars().take(64).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::super::DecodeErrorKind;
    use super::*;

    /// An object with any members.
    struct Object;

    impl Decode for Object {
        fn decode(value: Value<'_>) -> Result<Self, DecodeError> {
            Fields::read(value).map(|_| Self)
        }
    }

    fn error(json: &str) -> DecodeError {
        Object::decode_text(json).err().unwrap()
    }

    #[test]
    fn null_and_empty_count_as_missing_and_are_kept() {
        let json = Json::parse(r#"{"a":null,"b":"","c":"x","d":"\u0000"}"#).unwrap();
        let mut fields = Fields::read(json.root()).unwrap();
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
