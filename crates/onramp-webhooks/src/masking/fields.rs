//! Fields of bodies: their paths, and which are public.

use std::borrow::Cow;

use super::MASK;
use crate::json::{Document, Value};
use crate::provider::{ProviderName, Providers};

/// Maximum length of a public value, in bytes. Codes and amounts are shorter.
const LONGEST_VALUE: usize = 128;

/// Maximum length of a name that is shown, in bytes.
const LONGEST_NAME: usize = 64;

/// Number of characters from which on the ends of a masked value are shown.
const LONG: usize = 12;

/// A step on the path to a value.
#[derive(Clone, Debug)]
pub(super) enum Step<'t> {
    /// The member with this name.
    Member(Cow<'t, str>),
    /// The element with this index.
    Element(usize),
}

/// The fields that are not personal.
pub(super) struct PublicFields(Option<&'static [&'static str]>);

impl PublicFields {
    /// Returns the public fields of a provider. An unknown one has none.
    pub(super) fn of(providers: &Providers, provider: &ProviderName) -> Self {
        Self(Some(providers.find(provider).map_or(&[], |decoder| decoder.facts.public_fields)))
    }

    /// Makes all fields public.
    pub(super) const fn all() -> Self {
        Self(None)
    }

    /// Returns whether all fields are public.
    pub(super) const fn are_all(&self) -> bool {
        self.0.is_none()
    }

    /// Returns whether a value is shown. Only strings, numbers, booleans and null can be public.
    pub(super) fn contains(&self, path: &[Step<'_>], value: Value<'_>) -> bool {
        let Some(public) = self.0 else { return true };
        let is_plain = !value.is_object() && !value.is_array() && value.text().len() <= LONGEST_VALUE;
        matches!(value.text(), "null" | "\"\"") || (is_plain && public.iter().any(|field| is_at(field, path)))
    }

    /// Returns whether the name of a member is shown: most are identifiers, and one that is not may be data.
    pub(super) fn shows_name(&self, name: &str) -> bool {
        let is_usual = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.[]'\"".contains(&byte);
        self.0.is_none() || (name.len() <= LONGEST_NAME && name.bytes().all(is_usual))
    }
}

/// Returns whether a field such as `order.id` is at a path.
fn is_at(field: &str, path: &[Step<'_>]) -> bool {
    let mut names = field.split('.');
    path.iter().all(|step| matches!(step, Step::Member(name) if names.next() == Some(name.as_ref()))) && names.next().is_none()
}

/// Returns the name of a member. One that is not Unicode is replaced.
pub(super) fn name<'t>(member: Value<'t>) -> Cow<'t, str> {
    member.name().unwrap_or(Cow::Borrowed("\u{fffd}"))
}

/// Returns a name as it is shown.
pub(super) fn shown_name<'n>(public: &PublicFields, name: &'n str) -> Cow<'n, str> {
    if public.shows_name(name) { Cow::Borrowed(name) } else { Cow::Owned(mask(name)) }
}

/// Returns the members of an object in the sequence in which they were received.
pub(super) fn members(object: Value<'_>) -> Vec<Value<'_>> {
    let mut members: Vec<_> = object.members().collect();
    members.sort_by_key(|member| member.text().as_ptr().addr());
    members
}

/// Returns a value as JSON text: as received if it is public, and masked otherwise.
pub(super) fn shown(value: Value<'_>, is_public: bool) -> Cow<'_, str> {
    if is_public {
        return Cow::Borrowed(value.text());
    }
    let text = value.string().map_or_else(|| mask(value.text()), |string| mask(&string));
    Cow::Owned(serde_json::Value::from(text).to_string())
}

/// Returns two characters at each end of a long text, and nothing of a short one.
pub(super) fn mask(text: &str) -> String {
    let is_long = !text.starts_with(['{', '[']) && text.chars().nth(LONG - 1).is_some();
    let ends = |letters: &mut dyn Iterator<Item = char>| letters.take(2).collect::<Vec<_>>();
    match is_long {
        true => {
            let (first, last) = (ends(&mut text.chars()), ends(&mut text.chars().rev()));
            first.into_iter().chain(MASK.chars()).chain(last.into_iter().rev()).collect()
        }
        false => MASK.to_owned(),
    }
}

/// Returns a body as JSON: as it is, or a form as an object. `None` if it is neither.
pub(super) fn parsed(body: &[u8]) -> Option<Cow<'_, str>> {
    let document = Document::new(body);
    let text = document.text()?;
    if document.json().is_some() {
        return Some(Cow::Borrowed(text));
    }
    form(text.trim_ascii()).map(Cow::Owned)
}

fn form(text: &str) -> Option<String> {
    use serde::{Serializer as _, ser::SerializeMap as _};

    if text.starts_with(['{', '[', '"']) || !text.contains('=') {
        return None;
    }
    let mut json = Vec::new();
    let mut writer = serde_json::Serializer::new(&mut json);
    let mut object = writer.serialize_map(None).ok()?;
    let mut pairs = form_urlencoded::parse(text.as_bytes());
    pairs.try_for_each(|(name, value)| object.serialize_entry(&name, &value)).ok()?;
    object.end().ok()?;
    String::from_utf8(json).ok()
}
