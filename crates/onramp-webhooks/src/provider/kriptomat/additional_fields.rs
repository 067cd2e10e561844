//! The additional fields of a postback.

use std::borrow::Cow;

use crate::event::fields::Fields;
use crate::event::{DecodeError, Extra, RawJson};
use crate::fingerprint::Fingerprint;
use crate::json::Value;

/// Maximum number of additional fields. A field needs much more memory than its few bytes in the body.
const MOST_FIELDS: usize = 256;

const NAME: &str = "additional_fields";

/// The fields that the shop passed to the widget (`additional_fields[KEY]`), by key.
///
/// Kriptomat's documentation spells them in two ways in the postback: `"additional_fields[0]"` and `"0"`. Both are read, also with
/// a string or a quoted string as the key, as well as a nested object or array called `additional_fields`. They are serialised as
/// they were received.
///
/// ```
/// use onramp_webhooks::kriptomat::AdditionalFields;
///
/// let fields = AdditionalFields::from_iter([("0", "shop-20418"), ("campaign", "spring")]);
/// assert_eq!(fields.text("0").unwrap(), "shop-20418");
/// assert_eq!(fields.get("campaign").unwrap().as_str(), r#""spring""#);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdditionalFields {
    received: Extra,
    by_key: Extra,
}

impl AdditionalFields {
    /// Returns the field called `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&RawJson> {
        self.by_key.get(key)
    }

    /// Returns the text of the field called `key`, if it is a string or a number.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<Cow<'_, str>> {
        self.get(key)?.to_text()
    }

    /// Returns all fields, ordered by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &RawJson)> {
        self.by_key.iter()
    }

    /// Returns the number of fields.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Returns whether there are no fields.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// Takes every member that is or contains additional fields.
    pub(super) fn take(fields: &mut Fields<'_>) -> Result<Self, DecodeError> {
        let nested = fields.get(NAME).filter(|value| value.is_object() || value.is_array());
        let mut taken = Self::default();
        if let Some(nested) = nested {
            fields.take(NAME);
            taken.received.insert(NAME, nested.into());
            let members = members(nested).map_err(|error| error.under(NAME))?;
            if members.len() > MOST_FIELDS {
                return Err(DecodeError::unreadable("too many").under(NAME));
            }
            for (key, value) in members {
                taken.insert(&key, value.into())?;
            }
        }
        let marked = fields.take_all(|name| key(name).is_some());
        if marked.len() > MOST_FIELDS {
            return Err(DecodeError::unreadable("too many").under(NAME));
        }
        for (name, value) in marked {
            taken.insert(key(&name).unwrap_or_default(), value.into())?;
            taken.received.set(name.into(), value.into());
        }
        Ok(taken)
    }

    /// Returns the members as they were received.
    pub(super) fn received(&self) -> impl Iterator<Item = (&str, &RawJson)> {
        self.received.iter()
    }

    fn insert(&mut self, key: &str, value: RawJson) -> Result<(), DecodeError> {
        match self.by_key.get(key) {
            Some(other) if !same(other, &value) => Err(DecodeError::unreadable("a field is given twice").under(NAME)),
            _ => {
                self.by_key.set(key.into(), value);
                Ok(())
            }
        }
    }
}

/// Returns the key in a member's name: `0`, `additional_fields[0]`, `additional_fields["0"]`.
fn key(name: &str) -> Option<&str> {
    if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(name);
    }
    let key = name.strip_prefix(NAME)?.strip_prefix('[')?.strip_suffix(']')?;
    let unquoted = ['"', '\''].into_iter().find_map(|quote| key.strip_prefix(quote)?.strip_suffix(quote));
    Some(unquoted.unwrap_or(key))
}

fn members(value: Value<'_>) -> Result<Vec<(Cow<'_, str>, Value<'_>)>, DecodeError> {
    if value.is_object() {
        return Ok(Fields::read(value)?.take_all(|_| true));
    }
    Ok(value.elements().enumerate().map(|(index, value)| (Cow::Owned(index.to_string()), value)).collect())
}

fn same(a: &RawJson, b: &RawJson) -> bool {
    a == b || Fingerprint::of(a.as_str().as_bytes()) == Fingerprint::of(b.as_str().as_bytes())
}

/// Collects strings, spelled as in the documentation's example: `additional_fields[KEY]`.
impl<K: Into<String>, V: AsRef<str>> FromIterator<(K, V)> for AdditionalFields {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(fields: I) -> Self {
        let by_key: Extra = fields.into_iter().map(|(key, value)| (key.into(), RawJson::string(value.as_ref()))).collect();
        let received = by_key.iter().map(|(key, value)| (format!("{NAME}[{key}]"), value.clone())).collect();
        Self { received, by_key }
    }
}
