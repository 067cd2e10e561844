//! Values that are masked in a body, and must not be in its note.

use std::collections::BTreeSet;

use super::MASK;
use super::fields::{PublicFields, Step, name};
use crate::json::Value;

/// Maximum number of values. The note of a body with more of them is masked whole.
const MOST: usize = 10_000;

/// Number of characters from which on a value is found inside of words.
const LONG: usize = 4;

/// The masked values of a body, in lower case.
#[derive(Clone, Default)]
pub(super) struct Secrets {
    texts: BTreeSet<String>,
    are_too_many: bool,
}

impl Secrets {
    pub(super) fn of(public: &PublicFields, root: Value<'_>) -> Self {
        let mut secrets = Self::default();
        secrets.collect(public, root, &mut Vec::new());
        secrets
    }

    /// Returns the words of a body that has no fields. All are masked unless everything is public.
    pub(super) fn of_text(public: &PublicFields, body: &[u8]) -> Self {
        let mut secrets = Self::default();
        if public.are_all() {
            return secrets;
        }
        let Ok(text) = str::from_utf8(body) else { return Self { are_too_many: true, ..secrets } };
        for word in text.split(|letter: char| !letter.is_alphanumeric()) {
            secrets.add(word);
            if secrets.are_too_many {
                break;
            }
        }
        secrets
    }

    fn collect<'t>(&mut self, public: &PublicFields, value: Value<'t>, path: &mut Vec<Step<'t>>) {
        if self.are_too_many || public.contains(path, value) {
            return;
        }
        for member in value.members() {
            let name = name(member);
            if !public.shows_name(&name) {
                self.add(&name);
            }
            path.push(Step::Member(name));
            self.collect(public, member, path);
            path.pop();
        }
        for (index, element) in value.elements().enumerate() {
            path.push(Step::Element(index));
            self.collect(public, element, path);
            path.pop();
        }
        if !value.is_object() && !value.is_array() {
            self.leaf(value);
        }
    }

    fn leaf(&mut self, value: Value<'_>) {
        let text = value.text();
        if let Some(string) = value.string() {
            self.add(&string);
        }
        // Errors repeat values in quotes, with the same escapes.
        self.add(text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text));
    }

    fn add(&mut self, text: &str) {
        let text = text.trim();
        if text.is_empty() || matches!(text, "true" | "false" | "null") {
            return;
        }
        self.texts.insert(text.chars().map(lower).collect());
        self.are_too_many = self.are_too_many || self.texts.len() > MOST;
    }

    /// Returns a note without the values.
    pub(super) fn scrub(&self, note: &str) -> String {
        if self.are_too_many {
            return MASK.to_owned();
        }
        let letters: Vec<char> = note.chars().collect();
        let lowered: Vec<char> = letters.iter().copied().map(lower).collect();
        let mut is_hidden = vec![false; letters.len()];
        for secret in &self.texts {
            hide(&lowered, &secret.chars().collect::<Vec<_>>(), &mut is_hidden);
        }
        let mut scrubbed = String::with_capacity(note.len());
        let mut was_hidden = false;
        for (letter, hidden) in letters.into_iter().zip(is_hidden) {
            match hidden {
                true if !was_hidden => scrubbed.push_str(MASK),
                true => {}
                false => scrubbed.push(letter),
            }
            was_hidden = hidden;
        }
        scrubbed
    }
}

fn lower(letter: char) -> char {
    letter.to_lowercase().next().unwrap_or(letter)
}

/// Marks the places of a value in a note.
fn hide(note: &[char], secret: &[char], is_hidden: &mut [bool]) {
    let is_inside = |place: Option<usize>| place.and_then(|place| note.get(place)).is_some_and(|letter| letter.is_alphanumeric());
    for (start, place) in note.windows(secret.len().max(1)).enumerate() {
        let end = start + secret.len();
        let is_word = !is_inside(start.checked_sub(1)) && !is_inside(Some(end));
        if place == secret && (is_word || secret.len() >= LONG) {
            is_hidden.iter_mut().take(end).skip(start).for_each(|hidden| *hidden = true);
        }
    }
}
