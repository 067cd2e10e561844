//! Unknown fields of an object.

use std::collections::BTreeMap;
use std::collections::btree_map;

use super::RawJson;

/// Fields of an object that its model does not have, exactly as received: unknown fields, and known fields that were null or empty.
///
/// They are serialised with the model, unless the model has a value of the same name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Extra(BTreeMap<String, RawJson>);

impl Extra {
    /// Returns the field called `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&RawJson> {
        self.0.get(name)
    }

    /// Sets a field and returns its previous value.
    pub fn insert(&mut self, name: impl Into<String>, value: RawJson) -> Option<RawJson> {
        self.0.insert(name.into(), value)
    }

    /// Returns all fields, ordered by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &RawJson)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Returns the number of fields.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there are no fields.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(String, RawJson)> for Extra {
    fn from_iter<I: IntoIterator<Item = (String, RawJson)>>(fields: I) -> Self {
        Self(fields.into_iter().collect())
    }
}

impl IntoIterator for Extra {
    type Item = (String, RawJson);
    type IntoIter = btree_map::IntoIter<String, RawJson>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
