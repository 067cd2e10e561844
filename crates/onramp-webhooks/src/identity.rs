//! What makes two deliveries the same event: the dedup key, and the order that an event belongs to.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::fingerprint::Fingerprint;

/// Identifiers longer than this many bytes enter a key as their hash.
const LONGEST_ID: usize = 128;

/// What a hash in a key begins with; a word that begins so is hashed, too, so that no word can pretend to be a hash.
const HASHED: &str = "#sha256:";

/// What makes two deliveries the same event, within one endpoint.
///
/// A key has two halves: the *subject* (what the event is about: an order, a transaction, a user's click) and the
/// *discriminator* (which of the subject's events it is). Stores index the pair, subject first: identifiers that grow with time
/// (Wert's order ids are ULIDs) then keep the index's hot end small, and all events of one order lie side by side.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DedupKey {
    subject: String,
    discriminator: String,
}

impl DedupKey {
    /// A key from its stored halves.
    #[must_use]
    pub fn from_parts(subject: String, discriminator: String) -> Self {
        Self { subject, discriminator }
    }

    /// What the event is about, with the endpoint's name in front: `wert/order/01HBE0YY5SMKXXA4ZCM952HS90`.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Which of the subject's events it is: `order_complete`, or a type and a fingerprint.
    #[must_use]
    pub fn discriminator(&self) -> &str {
        &self.discriminator
    }

    /// Whether the subject is the thing that senders call `id`.
    #[must_use]
    pub fn is_about(&self, id: &str) -> bool {
        self.subject.splitn(3, '/').nth(2) == Some(id)
    }

    /// The key under which a delivery is kept that has this key but another fingerprint.
    #[must_use]
    pub fn conflicting(&self, fingerprint: &Fingerprint) -> Self {
        Self { subject: self.subject.clone(), discriminator: format!("{}#conflict:{fingerprint}", self.discriminator) }
    }
}

/// Leaves the subject out: it may name a customer.
impl fmt::Debug for DedupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DedupKey").field("discriminator", &self.discriminator).finish_non_exhaustive()
    }
}

impl fmt::Display for DedupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.subject, self.discriminator)
    }
}

/// How far an event stands in the life of its order; later stages are greater.
///
/// An event is *stale* when an event of the same order with a greater stage was handled before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stage(u8);

impl Stage {
    /// Belongs to the order, at a point that nobody knows: never stale, and makes nothing stale.
    pub const UNPLACED: Self = Self(0);
    /// Paying has begun.
    pub const STARTED: Self = Self(1);
    /// The crypto is on its way and not final.
    pub const TRANSFERRING: Self = Self(2);
    /// Nothing more is expected: complete, failed or cancelled.
    pub const FINAL: Self = Self(3);

    /// Whether an event at this stage is stale once one at stage `handled` was handled.
    #[must_use]
    pub const fn is_before(self, handled: Self) -> bool {
        self.0 != Self::UNPLACED.0 && self.0 < handled.0
    }

    /// A stage from its stored number.
    #[must_use]
    pub const fn from_u8(stage: u8) -> Self {
        Self(stage)
    }

    /// The number to store.
    #[must_use]
    pub const fn as_u8(self) -> u8 {
        self.0
    }
}

/// What a provider's rules say about one event: its key, how long the key counts, and its place in an order's life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// `None`: never a duplicate of anything.
    pub(crate) key: Option<DedupKey>,
    /// `None`: for ever.
    pub(crate) horizon: Option<Duration>,
    /// `None`: belongs to no order; may be handled beside anything.
    pub(crate) stage: Option<Stage>,
}

/// The subject half of a key. `kind` is one of the provider's fixed words and endpoint names have no slash, so that no two
/// subjects are spelled the same.
pub(crate) fn subject(endpoint: &str, kind: &str, id: &str) -> String {
    format!("{endpoint}/{kind}/{}", plain_or_hash(id, LONGEST_ID))
}

/// A sender's word for a key: itself when it is short and printable, else its hash, so that no sender decides the size of an index
/// and no store has to keep control characters.
pub(crate) fn plain_or_hash(word: &str, longest: usize) -> Cow<'_, str> {
    if word.len() <= longest && !word.chars().any(char::is_control) && !word.starts_with(HASHED) {
        return Cow::Borrowed(word);
    }
    let hash = Fingerprint::from_bytes(Sha256::digest(word).into());
    Cow::Owned(format!("{HASHED}{hash}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_ids_do_not_grow_the_key_and_stay_distinct() {
        let (a, b) = ("a".repeat(1 << 20), format!("{}b", "a".repeat((1 << 20) - 1)));
        assert!(subject("wert", "click", &a).len() < 128);
        assert_ne!(subject("wert", "click", &a), subject("wert", "click", &b));
    }

    #[test]
    fn a_short_id_cannot_spell_the_hash_of_a_long_one() {
        let long = subject("wert", "click", &"a".repeat(500));
        assert_ne!(subject("wert", "click", long.trim_start_matches("wert/click/")), long);
    }

    #[test]
    fn control_characters_stay_out_of_keys() {
        let (nul, newline) = (subject("wert", "click", "a\0b"), subject("wert", "click", "a\nb"));
        assert!(!nul.contains('\0') && !newline.contains('\n'));
        assert_ne!(nul, newline);
    }
}
