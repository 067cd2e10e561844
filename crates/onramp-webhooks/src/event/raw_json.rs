//! Raw JSON values.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use smol_str::SmolStr;

use super::DecodeError;
use super::fields::Fields;
use crate::json::{Document, Json, Malformed, Value, spelled};

/// A JSON value exactly as received, including digits, the order of members and white space.
///
/// Equality compares the text. Serialises to itself with serde_json only.
///
/// ```
/// use onramp_webhooks::event::RawJson;
///
/// let fees: RawJson = r#"{"partner": 0.10, "gas": ["21000"]}"#.parse()?;
/// assert_eq!(fees.pointer("/partner").unwrap().as_str(), "0.10");
/// assert_eq!(fees.pointer("/gas/0").unwrap().to_text().unwrap(), "21000");
/// # Ok::<(), onramp_webhooks::event::DecodeError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RawJson(SmolStr);

/// Leaves out the value, which may be personal data.
impl fmt::Debug for RawJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawJson({} bytes)", self.0.len())
    }
}

impl RawJson {
    /// Creates a JSON string of `text`.
    #[must_use]
    pub fn string(text: &str) -> Self {
        Self(serde_json::Value::from(text).to_string().into())
    }

    /// Returns the JSON text, with quotes and escapes if it is a string.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the content of a string, or a number as it is written; `None` for every other kind of value.
    #[must_use]
    pub fn to_text(&self) -> Option<Cow<'_, str>> {
        match self.0.as_bytes().first()? {
            b'"' => match self.0.strip_prefix('"')?.strip_suffix('"')? {
                content if !content.contains('\\') => Some(Cow::Borrowed(content)),
                _ => serde_json::from_str(&self.0).ok().map(Cow::Owned),
            },
            b'-' | b'0'..=b'9' => Some(Cow::Borrowed(&self.0)),
            _ => None,
        }
    }

    /// Returns the value at a JSON pointer (RFC 6901), exactly as received. `""` refers to this value.
    ///
    /// `None` if there is no such value, or if a name on the path occurs twice in its object, which makes the path ambiguous.
    #[must_use]
    pub fn pointer(&self, pointer: &str) -> Option<Self> {
        find(&self.0, pointer)
    }
}

/// Returns the value at a JSON pointer (RFC 6901) in `json`, exactly as received.
///
/// `None` if `json` is not JSON, if there is no such value, or if a name on the path occurs twice in its object, which makes the
/// path ambiguous.
///
/// ```
/// use onramp_webhooks::event::pointer;
///
/// let body = br#"{"order":{"fee":1.20}}"#;
/// assert_eq!(pointer(body, "/order/fee").unwrap().as_str(), "1.20");
/// ```
#[must_use]
pub fn pointer(json: &[u8], pointer: &str) -> Option<RawJson> {
    walk(Document::new(json).json()?.root(), pointer)
}

fn find(json: &str, pointer: &str) -> Option<RawJson> {
    walk(Json::parse(json)?.root(), pointer)
}

fn walk(mut value: Value<'_>, pointer: &str) -> Option<RawJson> {
    let mut rest = pointer;
    while !rest.is_empty() {
        if value.is_too_deep() {
            return find(value.text(), rest);
        }
        let steps = rest.strip_prefix('/')?;
        let (step, after) = steps.split_at(steps.find('/').unwrap_or(steps.len()));
        value = child(value, &step.replace("~1", "/").replace("~0", "~"))?;
        rest = after;
    }
    Some(value.into())
}

fn child<'t>(value: Value<'t>, step: &str) -> Option<Value<'t>> {
    if value.is_object() {
        return Fields::read(value).ok()?.get(&spelled(step));
    }
    let plain = step == "0" || (!step.starts_with('0') && step.bytes().all(|byte| byte.is_ascii_digit()));
    value.elements().nth(step.parse::<usize>().ok().filter(|_| plain)?)
}

impl From<Value<'_>> for RawJson {
    fn from(value: Value<'_>) -> Self {
        Self(value.text().into())
    }
}

/// Reads one JSON value. White space around it is dropped.
impl FromStr for RawJson {
    type Err = DecodeError;

    fn from_str(text: &str) -> Result<Self, DecodeError> {
        let json = Json::parse(text).ok_or_else(|| DecodeError::malformed(Malformed::of(text)))?;
        Ok(json.root().into())
    }
}

impl Serialize for RawJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serde_json::from_str::<&RawValue>(&self.0).map_err(S::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RawJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Box::<RawValue>::deserialize(deserializer)?.get().into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_returns_the_value_at_its_path() {
        let json = r#" {"a/b": {"m~n": [10, {"x": 1.2300}], "~1": true}, "": {"": 0}} "#;
        for (path, found) in [
            ("", json.trim()),
            ("/a~1b/m~0n/0", "10"),
            ("/a~1b/m~0n/1/x", "1.2300"),
            ("/a~1b/m~0n", r#"[10, {"x": 1.2300}]"#),
            ("/a~1b/~01", "true"),
            ("/", r#"{"": 0}"#),
            ("//", "0"),
        ] {
            assert_eq!(pointer(json.as_bytes(), path).unwrap().as_str(), found, "{path}");
            assert_eq!(json.parse::<RawJson>().unwrap().pointer(path).unwrap().as_str(), found, "{path}");
        }
        for path in ["a", "/a", "/a~1b/m~0n/2", "/a~1b/m~0n/01", "/a~1b/m~0n/-", "/a~1b/m~0n/+1", "/a~1b/m~0n/0/x", "/a~1b/m~0n/"]
        {
            assert_eq!(pointer(json.as_bytes(), path), None, "{path}");
        }
    }

    #[test]
    fn an_ambiguous_pointer_returns_none() {
        for json in ["", "{", "\u{0}", r#"{"a":1,"a":1}"#, r#"{"b":0,"a":1,"b":1}"#] {
            assert_eq!(pointer(json.as_bytes(), "/a"), None, "{json}");
        }
        assert_eq!(pointer(b"\xef\xbb\xbf{\"a\":1}", "/a").unwrap().as_str(), "1");
        assert_eq!(pointer(b"\xff", ""), None);
    }

    #[test]
    fn strings_and_numbers_have_a_text() {
        let text = |json: &str| json.parse::<RawJson>().unwrap().to_text().map(Cow::into_owned);
        assert_eq!(text(r#""caf\u00e9""#).as_deref(), Some("café"));
        assert_eq!(text("-1.50e3").as_deref(), Some("-1.50e3"));
        for other in ["null", "true", "[1]", "{}", r#""\ud800""#] {
            assert_eq!(text(other), None, "{other}");
        }
        assert_eq!(RawJson::string("a\"b\n").to_text().unwrap(), "a\"b\n");
        assert!("1 2".parse::<RawJson>().is_err());
    }
}
