//! Unknown fields of an object.

use smol_str::SmolStr;

use super::RawJson;

/// Fields of an object that its model does not have, exactly as received: unknown fields, and known fields that were null or empty.
///
/// They are serialised with the model, unless the model has a value of the same name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Extra(Vec<(SmolStr, RawJson)>);

impl Extra {
    /// Returns the field called `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&RawJson> {
        self.0.get(self.find(name).ok()?).map(|(_, value)| value)
    }

    /// Sets a field and returns its previous value.
    pub fn insert(&mut self, name: impl Into<String>, value: RawJson) -> Option<RawJson> {
        self.set(name.into().into(), value)
    }

    pub(crate) fn set(&mut self, name: SmolStr, value: RawJson) -> Option<RawJson> {
        match self.find(&name) {
            Ok(at) => self.0.get_mut(at).map(|(_, previous)| std::mem::replace(previous, value)),
            Err(at) => {
                self.0.insert(at, (name, value));
                None
            }
        }
    }

    fn find(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| (**other).cmp(name))
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

/// Keeps the last of several fields with the same name.
impl<N: Into<SmolStr>> FromIterator<(N, RawJson)> for Extra {
    fn from_iter<I: IntoIterator<Item = (N, RawJson)>>(fields: I) -> Self {
        let mut all: Vec<(SmolStr, RawJson)> = fields.into_iter().map(|(name, value)| (name.into(), value)).collect();
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        all.dedup_by(|(name, value), (kept_name, kept)| {
            let is_same = name == kept_name;
            if is_same {
                std::mem::swap(value, kept);
            }
            is_same
        });
        Self(all)
    }
}

impl IntoIterator for Extra {
    type Item = (String, RawJson);
    type IntoIter = IntoIter;

    fn into_iter(self) -> IntoIter {
        IntoIter(self.0.into_iter())
    }
}

/// The fields of an [`Extra`], ordered by name.
#[derive(Debug)]
pub struct IntoIter(std::vec::IntoIter<(SmolStr, RawJson)>);

impl Iterator for IntoIter {
    type Item = (String, RawJson);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(name, value)| (name.into(), value))
    }
}
