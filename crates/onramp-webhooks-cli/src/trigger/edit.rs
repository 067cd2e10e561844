//! Changes of single values in JSON bodies. Everything else keeps its bytes, such as the digits of numbers.

use std::fmt;

use bytes::Bytes;
use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

/// A change of a value, at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Edit {
    path: Path,
    change: Change,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Change {
    /// Replaces a value that exists by a value of the same JSON type.
    Set(String),
    /// Replaces or adds any value.
    SetJson(Value),
    /// Adds a text that does not exist.
    Add(String),
    /// Removes a value that exists.
    Unset,
}

/// Names of objects and positions in arrays: `order.base_amount`, or `/order/base_amount` for names with dots.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Path(Vec<String>);

impl Edit {
    /// Parses `PATH=VALUE`. The value keeps its JSON type.
    pub(crate) fn set(text: &str) -> Result<Self, String> {
        let (path, value) = assignment(text)?;
        Ok(Self { path, change: Change::Set(value.to_owned()) })
    }

    /// Parses `PATH=JSON`.
    pub(crate) fn set_json(text: &str) -> Result<Self, String> {
        let (path, value) = assignment(text)?;
        let value = serde_json::from_str(value).map_err(|error| format!("the value is not JSON: {error}"))?;
        Ok(Self { path, change: Change::SetJson(value) })
    }

    /// Parses `PATH=TEXT`.
    pub(crate) fn add(text: &str) -> Result<Self, String> {
        let (path, value) = assignment(text)?;
        Ok(Self { path, change: Change::Add(value.to_owned()) })
    }

    /// Parses `PATH`.
    pub(crate) fn unset(text: &str) -> Result<Self, String> {
        Ok(Self { path: Path::parse(text)?, change: Change::Unset })
    }

    /// Replaces or adds a text at the names in `path`.
    pub(crate) fn text(path: &[&str], value: &str) -> Self {
        let path = Path(path.iter().map(|name| (*name).to_owned()).collect());
        Self { path, change: Change::SetJson(json!(value)) }
    }

    /// Replaces a text that exists, at the names in `path`.
    pub(crate) fn existing_text(path: &[&str], value: &str) -> Self {
        Self { change: Change::Set(value.to_owned()), ..Self::text(path, value) }
    }

    /// Applies the change to a body.
    pub(crate) fn apply(&self, body: &Bytes) -> Result<Bytes, EditError> {
        let raw: &RawValue = serde_json::from_slice(body).map_err(|_| EditError::NotJson)?;
        let changed = self.change(raw, &self.path.0)?.ok_or_else(|| self.no_such_value())?;
        Ok(Bytes::from(Box::<str>::from(changed).into_string()))
    }

    /// Returns the changed value, or `None` to remove it.
    fn change(&self, raw: &RawValue, path: &[String]) -> Result<Option<Box<RawValue>>, EditError> {
        let Some((name, rest)) = path.split_first() else { return self.replacement(Some(raw)) };
        if raw.get().starts_with('{') {
            let mut object: Object = read(raw)?;
            let mut is_there = false;
            let mut members = Vec::with_capacity(object.0.len() + 1);
            for (key, value) in object.0 {
                let value = if key == *name {
                    is_there = true;
                    self.change(&value, rest)?
                } else {
                    Some(value)
                };
                members.extend(value.map(|value| (key, value)));
            }
            if !is_there && rest.is_empty() {
                members.extend(self.replacement(None)?.map(|value| (name.clone(), value)));
            } else if !is_there {
                return Err(self.no_such_value());
            }
            object.0 = members;
            return written(&object).map(Some);
        }
        if raw.get().starts_with('[') {
            let mut array: Vec<Box<RawValue>> = read(raw)?;
            let position: usize = name.parse().map_err(|_| self.no_such_value())?;
            let value = array.get(position).ok_or_else(|| self.no_such_value())?;
            match self.change(value, rest)? {
                Some(changed) => array.splice(position..=position, [changed]).for_each(drop),
                None => drop(array.remove(position)),
            }
            return written(&array).map(Some);
        }
        Err(self.no_such_value())
    }

    /// Returns the value that replaces `old`, or `None` to remove it.
    fn replacement(&self, old: Option<&RawValue>) -> Result<Option<Box<RawValue>>, EditError> {
        let same_type = |text: &str, old: &RawValue| match old.get().as_bytes().first() {
            Some(b'"') => written(&text),
            // A missing value is as good as a text.
            Some(b'n') => written(&text),
            first => {
                let raw = RawValue::from_string(text.to_owned()).map_err(|_| self.wrong_type(old))?;
                let is_same = match first {
                    Some(b't' | b'f') => matches!(raw.get(), "true" | "false"),
                    Some(b'{' | b'[') => raw.get().as_bytes().first() == first,
                    _ => raw.get().starts_with(|letter: char| letter == '-' || letter.is_ascii_digit()),
                };
                if is_same { Ok(raw) } else { Err(self.wrong_type(old)) }
            }
        };
        match (&self.change, old) {
            (Change::Set(text), Some(old)) => same_type(text, old).map(Some),
            (Change::SetJson(value), _) => written(value).map(Some),
            (Change::Add(text), None) => written(text).map(Some),
            (Change::Add(_), Some(_)) => Err(EditError::Exists(self.path.to_string())),
            (Change::Unset, Some(_)) => Ok(None),
            (Change::Set(_) | Change::Unset, None) => Err(self.no_such_value()),
        }
    }

    fn no_such_value(&self) -> EditError {
        EditError::NoSuchValue(self.path.to_string())
    }

    fn wrong_type(&self, old: &RawValue) -> EditError {
        EditError::WrongType { path: self.path.to_string(), old: old.get().chars().take(40).collect() }
    }
}

fn read<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Result<T, EditError> {
    serde_json::from_str(raw.get()).map_err(|_| EditError::NotJson)
}

fn written(value: &(impl Serialize + ?Sized)) -> Result<Box<RawValue>, EditError> {
    to_raw_value(value).map_err(|_| EditError::NotJson)
}

/// Error of a change that does not fit a body.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EditError {
    #[error("the body is not JSON")]
    NotJson,
    #[error("there is no {0}")]
    NoSuchValue(String),
    #[error("{0} exists already")]
    Exists(String),
    #[error("{path} is {old} now, and the new value has another type")]
    WrongType { path: String, old: String },
}

impl Path {
    fn parse(text: &str) -> Result<Self, String> {
        let path: Vec<String> = match text.strip_prefix('/') {
            Some(pointer) => pointer.split('/').map(|name| name.replace("~1", "/").replace("~0", "~")).collect(),
            None => text.split('.').map(str::to_owned).collect(),
        };
        if path.iter().any(String::is_empty) {
            return Err("expected a path such as order.base_amount, or /order/base_amount for names with dots".to_owned());
        }
        Ok(Self(path))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}

fn assignment(text: &str) -> Result<(Path, &str), String> {
    let (path, value) = text.split_once('=').ok_or("expected PATH=VALUE")?;
    Ok((Path::parse(path)?, value))
}

/// An object whose members keep their sequence and their bytes.
struct Object(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Object(members))
            }
        }

        deserializer.deserialize_map(Members)
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str =
        r#"{"type":"a","order":{"id":"7","base_amount":0.10000000000000000005,"list":[1,{"x":true}],"none":null},"a.b":1}"#;

    fn applied(edit: Result<Edit, String>) -> Result<String, EditError> {
        edit.unwrap().apply(&Bytes::from_static(BODY.as_bytes())).map(|body| String::from_utf8(body.to_vec()).unwrap())
    }

    #[test]
    fn one_value_changes_and_all_others_keep_their_bytes() {
        for (edit, old, new) in [
            (Edit::set("order.id=8"), r#""id":"7""#, r#""id":"8""#),
            (Edit::set("order.id=a\"b=c"), r#""id":"7""#, r#""id":"a\"b=c""#),
            (Edit::set("order.base_amount=5.000000000000000000009"), "0.10000000000000000005", "5.000000000000000000009"),
            (Edit::set("order.list.0=-2"), "[1,", "[-2,"),
            (Edit::set("order.list.1.x=false"), "true", "false"),
            (Edit::set("order.none=text"), "null", "\"text\""),
            (Edit::set("order.list=[]"), r#"[1,{"x":true}]"#, "[]"),
            (Edit::set("/a.b=2"), r#""a.b":1"#, r#""a.b":2"#),
            (Edit::set_json("order.id=[1]"), r#""id":"7""#, r#""id":[1]"#),
            (Edit::set_json("order.new={\"a\":1}"), r#""none":null"#, r#""none":null,"new":{"a":1}"#),
            (Edit::add("order.new=5"), r#""none":null"#, r#""none":null,"new":"5""#),
            (Edit::unset("order.id"), r#""id":"7","#, ""),
            (Edit::unset("order.list.0"), "[1,", "["),
            (Ok(Edit::text(&["type"], "é")), r#""type":"a""#, r#""type":"é""#),
        ] {
            assert_eq!(applied(edit.clone()), Ok(BODY.replacen(old, new, 1)), "{edit:?}");
        }
    }

    #[test]
    fn a_change_that_does_not_fit_is_an_error() {
        let no_such_value = |path: &str| EditError::NoSuchValue(path.to_owned());
        for (edit, error) in [
            (Edit::set("order.idd=8"), no_such_value("order.idd")),
            (Edit::set("odrer.id=8"), no_such_value("odrer.id")),
            (Edit::set("type.x=8"), no_such_value("type.x")),
            (Edit::set("order.list.2=8"), no_such_value("order.list.2")),
            (Edit::set("order.list.x=8"), no_such_value("order.list.x")),
            (Edit::unset("order.idd"), no_such_value("order.idd")),
            (Edit::add("no.new=8"), no_such_value("no.new")),
            (Edit::add("order.id=8"), EditError::Exists("order.id".to_owned())),
        ] {
            assert_eq!(applied(edit), Err(error));
        }
        for text in ["order.base_amount=five", "order.base_amount=\"5\"", "order.list.1.x=1", "order.list={}", "order.list=1"] {
            assert!(matches!(applied(Edit::set(text)), Err(EditError::WrongType { .. })), "{text}");
        }
        assert_eq!(Edit::set("a=1").unwrap().apply(&"a=1&b=2".into()), Err(EditError::NotJson));
        for text in ["", "a", "=1", "a..b=1", "/=1"] {
            assert!(Edit::set(text).is_err(), "{text}");
        }
        assert!(Edit::set_json("a=b").is_err() && Edit::unset("").is_err());
    }
}
