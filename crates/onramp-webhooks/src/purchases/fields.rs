//! Additional fields of a started purchase.

use std::collections::BTreeMap;
use std::fmt;

/// The fields that the shop passed to the widget, and that the event of the completed purchase returns: the customer's id and others.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct PurchaseFields(BTreeMap<String, String>);

impl PurchaseFields {
    /// Returns the value of a field.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Returns all fields, sorted by their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> + '_ {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Returns the JSON text to store.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::Value::from_iter(self.iter()).to_string()
    }

    /// Reads the stored JSON text. `None` if it is not an object of strings.
    #[must_use]
    pub fn from_json(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().map(Self)
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for PurchaseFields {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(fields: I) -> Self {
        Self(fields.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }
}

impl<K: Into<String>, V: Into<String>> Extend<(K, V)> for PurchaseFields {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, fields: I) {
        self.0.extend(fields.into_iter().map(|(key, value)| (key.into(), value.into())));
    }
}

/// Leaves out the fields, which identify a customer.
impl fmt::Debug for PurchaseFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PurchaseFields(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_comes_back_and_none_is_shown() {
        for text in ["", "0", "\"'\\\n\0", "ß🦀", "\u{1}"] {
            let fields = PurchaseFields::from_iter([(text, "secret"), ("other", text)]);
            assert_eq!(PurchaseFields::from_json(&fields.to_json()), Some(fields.clone()));
            assert_eq!(format!("{fields:?}"), "PurchaseFields(hidden)");
        }
        assert_eq!(PurchaseFields::from_json("{}"), Some(PurchaseFields::default()));
        assert_eq!((PurchaseFields::from_json("[]"), PurchaseFields::from_json(r#"{"a":1}"#)), (None, None));
    }
}
