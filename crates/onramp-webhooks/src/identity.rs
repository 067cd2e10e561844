//! Identity of events: dedup keys, and stages of an order.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::fingerprint::Fingerprint;

/// Maximum length of an identifier in a key, in bytes. Longer ones are replaced by their hash.
const LONGEST_ID: usize = 128;

/// Maximum length of a type in a key, in bytes. Longer ones are replaced by their hash.
const LONGEST_TYPE: usize = 64;

/// Prefix of a hash in a key. A word that begins with this prefix is hashed as well, so that it cannot be mistaken for a hash.
const HASHED: &str = "#sha256:";

/// Beginning of the part that a conflict adds to the key of the first delivery.
const CONFLICT: &str = "#conflict:";

/// The key that is equal for all deliveries of the same event.
///
/// A key has two halves: the *subject* (the order, transaction or click that the event is about) and the *discriminator* (which of
/// the subject's events it is). Stores index the pair, subject first, so all events of one order are adjacent in the index. With
/// identifiers that grow with time, such as Wert's order ids, which are ULIDs, new entries are added at the end of the index.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DedupKey {
    subject: String,
    discriminator: String,
}

impl DedupKey {
    /// Creates a key from its stored halves.
    #[must_use]
    pub fn from_parts(subject: String, discriminator: String) -> Self {
        Self { subject, discriminator }
    }

    /// Creates a key at `endpoint` for an event about `id`. `kind` is the kind of this identifier, such as `order`.
    ///
    /// Long identifiers and identifiers with control characters are replaced by their hash, which bounds the size of indexes.
    #[must_use]
    pub fn new(endpoint: &str, kind: &str, id: &str, discriminator: impl Into<String>) -> Self {
        Self::about(endpoint, kind, &plain_or_hash(id, LONGEST_ID), discriminator.into())
    }

    fn about(endpoint: &str, kind: &str, stored_id: &str, discriminator: String) -> Self {
        Self { subject: format!("{endpoint}/{kind}/{stored_id}"), discriminator }
    }

    /// Returns the subject with the endpoint's name in front: `wert/order/01HBE0YY5SMKXXA4ZCM952HS90`.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Returns the discriminator: `order_complete`, or a type and a fingerprint.
    #[must_use]
    pub fn discriminator(&self) -> &str {
        &self.discriminator
    }

    /// Returns whether the subject is the identifier `id`, of any kind.
    #[must_use]
    pub fn is_about(&self, id: &str) -> bool {
        self.subject.splitn(3, '/').nth(2).is_some_and(|stored| Self::stored_ids(id).iter().any(|id| id == stored))
    }

    /// Returns the forms in which subjects contain the identifier `id`: as it is, and its hash.
    #[must_use]
    pub fn stored_ids(id: &str) -> [String; 2] {
        [id.to_owned(), hashed(id)]
    }

    /// Returns the key of a conflict: a delivery with this key and another fingerprint.
    #[must_use]
    pub fn conflicting(&self, fingerprint: &Fingerprint) -> Self {
        Self { subject: self.subject.clone(), discriminator: format!("{}{CONFLICT}{fingerprint}", self.discriminator) }
    }

    /// Returns the key of the first delivery, if this is the key of a [conflict](Self::conflicting).
    #[must_use]
    pub fn contradicted(&self) -> Option<Self> {
        let (first, _) = self.discriminator.split_once(CONFLICT)?;
        Some(Self { subject: self.subject.clone(), discriminator: first.to_owned() })
    }

    /// Returns the key of a repair: of the one synthetic delivery that may be handled instead of the delivery with this key, which was
    /// refused. A conflict has the repair of the first delivery.
    #[must_use]
    pub fn repair(&self) -> Self {
        let end = [CONFLICT, "#repair"].into_iter().filter_map(|suffix| self.discriminator.find(suffix)).min();
        let first = end.and_then(|end| self.discriminator.get(..end)).unwrap_or(&self.discriminator);
        Self { subject: self.subject.clone(), discriminator: format!("{first}#repair") }
    }
}

/// Leaves out the subject, which may identify a customer.
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

/// The stage of an order that an event reports. Later stages are greater.
///
/// An event is *stale* if an event of the same order with a greater stage was handled before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderStage(u8);

impl OrderStage {
    /// An unknown stage. The event is never stale, and does not make other events stale.
    pub const UNPLACED: Self = Self(0);
    /// The payment has begun.
    pub const STARTED: Self = Self(1);
    /// The crypto was sent and is not confirmed.
    pub const TRANSFERRING: Self = Self(2);
    /// The order is complete, failed or cancelled.
    pub const FINAL: Self = Self(3);

    /// Returns whether an event at this stage is stale once one at stage `handled` was handled.
    #[must_use]
    pub const fn is_before(self, handled: Self) -> bool {
        self.0 != Self::UNPLACED.0 && self.0 < handled.0
    }

    /// Creates a stage from its stored number.
    #[must_use]
    pub const fn from_u8(stage: u8) -> Self {
        Self(stage)
    }

    /// Returns the number to store.
    #[must_use]
    pub const fn as_u8(self) -> u8 {
        self.0
    }
}

/// The identity of an event: its dedup key, the lifetime of the key, and the stage of its order.
///
/// ```
/// use onramp_webhooks::identity::{Identity, OrderStage};
///
/// // A purchase completes once:
/// let complete = Identity::once("order", "01HBE0YY5SMKXXA4ZCM952HS90").at(OrderStage::FINAL);
/// // A login has no id of its own; the same content counts as a retry for a while:
/// let login = Identity::by_content("user", "42").personal().while_retried();
/// # let _ = (complete, login);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    subject: Option<Subject>,
    by_content: bool,
    while_retried: bool,
    conflicts_later: bool,
    stage: Option<OrderStage>,
}

#[derive(Clone, PartialEq, Eq)]
struct Subject {
    kind: &'static str,
    id: String,
    is_personal: bool,
    /// The hash of a second identifier.
    second: Option<String>,
}

/// Leaves out identifiers of customers.
impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = if self.is_personal { "(hidden)" } else { &self.id };
        f.debug_struct("Subject").field("kind", &self.kind).field("id", &id).finish_non_exhaustive()
    }
}

impl Identity {
    /// Creates the identity of an event that is never a duplicate.
    #[must_use]
    pub const fn unique() -> Self {
        Self { subject: None, by_content: false, while_retried: false, conflicts_later: false, stage: None }
    }

    /// Creates the identity of an event that happens once for each `id`. Another event of its type with the same `id` is a
    /// duplicate, or a conflict if its content differs.
    ///
    /// `kind` is the kind of the identifier, such as `order`, and must not contain a slash. Identifiers of different kinds are
    /// never equal.
    #[must_use]
    pub fn once(kind: &'static str, id: impl Into<String>) -> Self {
        let subject = Subject { kind, id: id.into(), is_personal: false, second: None };
        Self { subject: Some(subject), ..Self::unique() }
    }

    /// Creates the identity of an event that can happen several times for each `id`. Another event of its type with the same `id`
    /// is a duplicate only if its content is the same.
    #[must_use]
    pub fn by_content(kind: &'static str, id: impl Into<String>) -> Self {
        Self { by_content: true, ..Self::once(kind, id) }
    }

    /// Limits the identity to the time for which the provider retries. Afterwards, the same content is a new event.
    #[must_use]
    pub fn while_retried(mut self) -> Self {
        self.while_retried = true;
        self
    }

    /// Makes the same content a conflict once the provider does not retry any more. For an event that moves money and has no id: two of
    /// them may be one event or two, and an operator has to decide.
    #[must_use]
    pub const fn conflicting_later(mut self) -> Self {
        self.conflicts_later = true;
        self
    }

    /// Keeps only the hash of the identifier in keys, which outlive the bodies. For identifiers of customers, and of their clicks.
    #[must_use]
    pub fn personal(mut self) -> Self {
        self.subject.iter_mut().for_each(|subject| subject.is_personal = true);
        self
    }

    /// Adds a second identifier, for an event with an `id` that several events of its type may share. Keys hold only its hash.
    #[must_use]
    pub fn and(mut self, second: &str) -> Self {
        self.subject.iter_mut().for_each(|subject| subject.second = Some(hashed(second)));
        self
    }

    /// Makes the event part of an order, at `stage`. Such events of one subject are never handled at the same time.
    #[must_use]
    pub const fn at(mut self, stage: OrderStage) -> Self {
        self.stage = Some(stage);
        self
    }

    /// Returns the stage of the order; `None` if the event does not belong to one.
    #[must_use]
    pub const fn stage(&self) -> Option<OrderStage> {
        self.stage
    }

    /// Returns the dedup key at `endpoint`; `None` for a unique event.
    #[must_use]
    pub fn key(&self, endpoint: &str, type_name: &str, fingerprint: &Fingerprint) -> Option<DedupKey> {
        let Subject { kind, id, is_personal, second } = self.subject.as_ref()?;
        let mut discriminator = plain_or_hash(type_name, LONGEST_TYPE).into_owned();
        if let Some(second) = second {
            discriminator = format!("{discriminator}@{second}");
        }
        if self.by_content {
            discriminator = format!("{discriminator}:{fingerprint}");
        }
        Some(match is_personal {
            true => DedupKey::about(endpoint, kind, &hashed(id), discriminator),
            false => DedupKey::new(endpoint, kind, id, discriminator),
        })
    }

    /// Returns the time for which the same content is a duplicate, and not a conflict, for a provider that retries for
    /// `retry_horizon`; `None` if it always is one.
    #[must_use]
    pub fn duplicate_within(&self, retry_horizon: Duration) -> Option<Duration> {
        self.conflicts_later.then_some(retry_horizon)
    }

    /// Returns the lifetime of the key for a provider that retries for `retry_horizon`; `None` if the key never expires.
    #[must_use]
    pub fn horizon(&self, retry_horizon: Duration) -> Option<Duration> {
        self.while_retried.then_some(retry_horizon)
    }
}

/// Returns the stored form of a received event type: its hash if it is long or not printable, and the type itself otherwise.
pub(crate) fn stored_type(type_name: &str) -> String {
    plain_or_hash(type_name, LONGEST_TYPE).into_owned()
}

/// Returns a received word if it is short and printable, and its hash otherwise.
fn plain_or_hash(word: &str, longest: usize) -> Cow<'_, str> {
    if word.len() <= longest && !word.chars().any(char::is_control) && !word.starts_with(HASHED) {
        return Cow::Borrowed(word);
    }
    Cow::Owned(hashed(word))
}

fn hashed(word: &str) -> String {
    format!("{HASHED}{}", Fingerprint::from_bytes(Sha256::digest(word).into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(id: &str) -> String {
        DedupKey::new("wert", "click", id, "").subject().to_owned()
    }

    #[test]
    fn long_ids_do_not_grow_the_key_and_stay_distinct() {
        let (a, b) = ("a".repeat(1 << 20), format!("{}b", "a".repeat((1 << 20) - 1)));
        assert!(subject(&a).len() < 128);
        assert_ne!(subject(&a), subject(&b));
    }

    #[test]
    fn a_short_id_cannot_imitate_the_hash_of_a_long_one() {
        let long = subject(&"a".repeat(500));
        assert_ne!(subject(long.trim_start_matches("wert/click/")), long);
    }

    #[test]
    fn keys_contain_no_control_characters() {
        let (nul, newline) = (subject("a\0b"), subject("a\nb"));
        assert!(!nul.contains('\0') && !newline.contains('\n'));
        assert_ne!(nul, newline);
    }

    #[test]
    fn a_subject_is_found_by_what_was_received() {
        let fingerprint = Fingerprint::of(b"{}");
        let personal = Identity::once("click", "C").personal().key("wert", "login", &fingerprint).unwrap();
        let (plain, long) = (DedupKey::new("wert", "order", "O", ""), DedupKey::new("wert", "order", &"a".repeat(500), ""));
        assert!(personal.is_about("C") && plain.is_about("O") && long.is_about(&"a".repeat(500)));
        assert!(personal.is_about(personal.subject().trim_start_matches("wert/click/")), "as it is shown");
        assert!(!personal.is_about("O") && !plain.is_about("C") && !long.is_about("a"));
    }

    #[test]
    fn a_delivery_and_its_conflicts_have_one_repair() {
        let key = DedupKey::new("wert", "order", "O", "order_complete");
        let repair = key.repair();
        assert_eq!(repair.to_string(), "wert/order/O/order_complete#repair");
        let fingerprint = Fingerprint::of(b"{}");
        for other in [key.conflicting(&fingerprint), repair.clone(), repair.conflicting(&fingerprint)] {
            assert_eq!(other.repair(), repair, "{other}");
        }
    }

    #[test]
    fn an_identity_determines_the_key_and_its_lifetime() {
        let fingerprint = Fingerprint::of(b"{}");
        let key = |identity: &Identity| identity.key("wert", "login", &fingerprint).map(|key| key.to_string());
        let (once, content) =
            (Identity::once("order", "O").at(OrderStage::FINAL), Identity::by_content("click", "C").while_retried());
        assert_eq!(key(&once).unwrap(), "wert/order/O/login");
        assert_eq!(key(&content).unwrap(), format!("wert/click/C/login:{fingerprint}"));
        assert_eq!(key(&content.clone().personal()).unwrap(), format!("wert/click/{}/login:{fingerprint}", hashed("C")));
        assert_eq!(key(&Identity::unique()), None);
        let hour = Duration::from_secs(3_600);
        assert_eq!((once.horizon(hour), content.horizon(hour)), (None, Some(hour)));
        assert_eq!((once.stage(), content.stage()), (Some(OrderStage::FINAL), None));
    }
}
