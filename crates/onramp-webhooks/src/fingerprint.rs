//! Fingerprints: hashes of bodies that ignore insignificant differences of JSON, and the money of their events.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::event::Money;
use crate::json::{Document, Json};

/// The size of the hash at the beginning of a delivery's fingerprint, in bytes. A digest of its money follows.
const HASH: usize = 24;

/// SHA-256 of a body in canonical form: bodies with the same content have the same fingerprint.
///
/// The fingerprint of a delivery consists of the first 24 bytes of this hash and a [digest of its money](Self::with_money).
///
/// White space between tokens, the order of members and the escaping of strings are ignored. Everything else is significant:
/// numbers are hashed as they are written (`1.0` is not `1`), and so are both values of a repeated member, in their order. Bodies
/// that are not JSON, and JSON nested deeper than 128 levels, are hashed byte for byte.
///
/// ```
/// use onramp_webhooks::fingerprint::Fingerprint;
///
/// let fingerprint = Fingerprint::of(br#"{"type":"login","click_id":"A-17"}"#);
/// assert_eq!(fingerprint, Fingerprint::of(br#"{ "click_id": "\u0041-17", "type": "login" }"#));
/// assert_ne!(fingerprint, Fingerprint::of(br#"{"type":"login","click_id":"A-18"}"#));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Returns the fingerprint of a synthetic delivery with the same money. A reconciliation creates synthetic deliveries from a
    /// provider's API. No body has their fingerprints.
    #[must_use]
    pub fn to_synthetic(mut self) -> Self {
        let (hash, _) = self.0.split_at_mut(HASH);
        hash.fill(0);
        self
    }

    /// Replaces the last eight bytes by a digest of the amounts that an event reports, in any order. Amounts of the same value, such
    /// as `250` and `250.00`, have the same digest, and so have currency codes that differ in case.
    #[must_use]
    pub fn with_money(mut self, money: &[Money]) -> Self {
        let (_, digest) = self.0.split_at_mut(HASH);
        digest.fill(0);
        if !money.is_empty() {
            let mut lines: Vec<_> = money.iter().map(Money::canonical).collect();
            lines.sort();
            digest.iter_mut().zip(Sha256::digest(lines.concat())).for_each(|(byte, digit)| *byte = digit);
        }
        self
    }

    /// Returns whether the delivery is synthetic.
    #[must_use]
    pub fn is_synthetic(&self) -> bool {
        self.parts().0 == [0; HASH]
    }

    /// Returns whether a later delivery with the same key, whose fingerprint is `next`, is a duplicate of the delivery with this
    /// fingerprint. If not, the two are in conflict.
    ///
    /// Duplicates have the same body. The bodies of a synthetic and a real delivery always differ, so these two are duplicates if
    /// their money is the same.
    ///
    /// ```
    /// use onramp_webhooks::event::Money;
    /// use onramp_webhooks::fingerprint::Fingerprint;
    ///
    /// let money = |amount: &str| [Money::new(amount.parse().unwrap(), "USD".into())];
    /// let sent = Fingerprint::of(b"{}").with_money(&money("250.00"));
    /// assert!(sent.is_repeated_by(&Fingerprint::of(b" {} ").with_money(&money("250.00"))));
    /// let synthetic = |amount| Fingerprint::of(b"[]").with_money(&money(amount)).to_synthetic();
    /// assert!(sent.is_repeated_by(&synthetic("250")) && !sent.is_repeated_by(&synthetic("9000")));
    /// ```
    #[must_use]
    pub fn is_repeated_by(&self, next: &Self) -> bool {
        let ((hash, money), (next_hash, next_money)) = (self.parts(), next.parts());
        if self.is_synthetic() || next.is_synthetic() { money == next_money } else { hash == next_hash }
    }

    fn parts(&self) -> (&[u8], &[u8]) {
        self.0.split_at(HASH)
    }

    /// Computes the fingerprint of `body`, which may be any bytes.
    #[must_use]
    pub fn of(body: &[u8]) -> Self {
        Self::of_document(&Document::new(body))
    }

    /// Computes the fingerprint of a body that was parsed already.
    pub(crate) fn of_document(document: &Document<'_>) -> Self {
        match document.json().and_then(Json::canonical) {
            Some(canonical) => Self(Sha256::digest(canonical).into()),
            None => Self::of_bytes(document.body_without_bom()),
        }
    }

    fn of_bytes(body: &[u8]) -> Self {
        // Canonical JSON never begins with this byte, so a raw body cannot have the fingerprint of a JSON body.
        Self(Sha256::new().chain_update(b"\0").chain_update(body).finalize().into())
    }

    /// Creates a fingerprint from its stored bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes to store.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
        let hex: String = digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect();
        f.pad(&hex)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A JSON value that can be written in many ways.
    #[derive(Clone, Debug, PartialEq)]
    enum Json {
        Scalar(String),
        String(String),
        Array(Vec<Json>),
        Object(Vec<(String, Json)>),
    }

    impl Json {
        fn any() -> impl Strategy<Value = Self> {
            let scalar =
                prop_oneof![Just("null".to_owned()), Just("true".into()), "-?(0|[1-9][0-9]{0,40})(\\.[0-9]{1,30})?(e-?[0-9])?"];
            let leaf = prop_oneof![scalar.prop_map(Json::Scalar), any::<String>().prop_map(Json::String)];
            leaf.prop_recursive(5, 40, 6, |inner| {
                let members = prop::collection::btree_map("[a-c\"\\\\é]{0,3}", inner.clone(), 0..6);
                prop_oneof![
                    prop::collection::vec(inner, 0..6).prop_map(Json::Array),
                    members.prop_map(|members| Json::Object(members.into_iter().collect())),
                ]
            })
        }

        /// Writes the value with random order, space and escapes.
        fn spelled(&self, dice: &mut fastrand::Rng) -> String {
            let mut parts = match self {
                Self::Scalar(text) => return text.clone(),
                Self::String(text) => return string(text, dice),
                Self::Array(elements) => elements.iter().map(|element| element.spelled(dice)).collect(),
                Self::Object(members) => {
                    let member =
                        |(name, value): &(String, Self)| format!("{}{}:{}", string(name, dice), space(dice), value.spelled(dice));
                    members.iter().map(member).collect::<Vec<_>>()
                }
            };
            let (open, close) = if matches!(self, Self::Array(_)) { ('[', ']') } else { ('{', '}') };
            if open == '{' {
                dice.shuffle(&mut parts);
            }
            let parts: Vec<String> = parts.into_iter().map(|part| format!("{}{part}{}", space(dice), space(dice))).collect();
            format!("{open}{}{}{close}", space(dice), parts.join(","))
        }
    }

    fn space(dice: &mut fastrand::Rng) -> &'static str {
        dice.choice(["", "", " ", "\n\t", "\r\n  "]).unwrap()
    }

    fn string(text: &str, dice: &mut fastrand::Rng) -> String {
        let escape = |character: char| match character {
            _ if dice.u8(..) < 40 => character.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04X}")).collect(),
            '"' | '\\' => format!("\\{character}"),
            '\n' => "\\n".into(),
            '/' if dice.bool() => "\\/".into(),
            '\0'..' ' => format!("\\u{:04x}", u32::from(character)),
            _ => character.to_string(),
        };
        format!("\"{}\"", text.chars().map(escape).collect::<String>())
    }

    proptest! {
        #[test]
        fn spelling_does_not_matter_and_values_do(a in Json::any(), b in Json::any(), seed: u64) {
            let mut dice = fastrand::Rng::with_seed(seed);
            let mut of = |json: &Json| Fingerprint::of(json.spelled(&mut dice).as_bytes());
            prop_assert_eq!(of(&a), of(&a));
            prop_assert_eq!(of(&a) == of(&b), a == b);
        }

        #[test]
        fn any_bytes_have_a_fingerprint(bytes: Vec<u8>) {
            prop_assert_eq!(Fingerprint::of(&bytes), Fingerprint::of(&bytes));
        }
    }

    fn same(a: &str, b: &str) -> bool {
        Fingerprint::of(a.as_bytes()) == Fingerprint::of(b.as_bytes())
    }

    #[test]
    fn only_formatting_is_ignored() {
        for (a, b) in [
            (r#" {"b":[1 , 2],"a":"\u00e9\/"} "#, r#"{"a":"é/","b":[1,2]}"#),
            (r#""\ud83d\ude00""#, r#""😀""#),
            (r#""\uD800""#, r#""\ud800""#),
            ("\u{feff}{}", "{}"),
        ] {
            assert!(same(a, b), "{a} {b}");
        }
        for (a, b) in [
            ("1.0", "1"),
            ("1e2", "100"),
            ("12345678901234567890.0000000000000000001", "12345678901234567890.0000000000000000002"),
            (r#""1""#, "1"),
            (r#"{"a":1,"a":2}"#, r#"{"a":2,"a":1}"#),
            (r#"{"a":1,"a":1}"#, r#"{"a":1}"#),
            ("[1,2]", "[2,1]"),
            (r#""\ud800""#, r#""\\ud800""#),
            (r#"{"a":[{}]}"#, r#"{"a":[[]]}"#),
            ("{", "{ "),
            ("", " "),
            ("", "null"),
        ] {
            assert!(!same(a, b), "{a} {b}");
        }
    }

    #[test]
    fn money_has_one_digest_for_every_spelling() {
        let money = |text: &str| {
            let (amount, code) = text.split_once(' ').unwrap();
            Money::new(amount.parse().unwrap(), code.into())
        };
        let of = |texts: &[&str]| Fingerprint::of(b"{}").with_money(&texts.iter().map(|text| money(text)).collect::<Vec<_>>());
        let paid = of(&["250.00 USD", "0.004 BTC"]);
        for same in [of(&["250 usd", "4e-3 BTC"]), of(&["0.0040 btc", "2.5e2 USD"])] {
            assert_eq!(same, paid);
        }
        for other in [
            of(&[]),
            of(&["250 USD"]),
            of(&["0.004 USD", "250 BTC"]),
            of(&["250 EUR", "0.004 BTC"]),
            of(&["25 USD", "0.004 BTC"]),
        ] {
            assert!(paid.is_repeated_by(&other), "the bodies are the same");
            assert!(!paid.is_repeated_by(&other.to_synthetic()) && !paid.to_synthetic().is_repeated_by(&other));
        }
        assert!(!of(&[]).is_synthetic() && of(&[]).to_synthetic().is_synthetic());
    }

    #[test]
    fn deep_and_long_bodies_are_hashed() {
        let (deep, deeper) = ("[".repeat(128) + &"]".repeat(128), "[".repeat(129) + &"]".repeat(129));
        assert!(same(&deep, &format!(" {deep}")));
        assert!(!same(&deeper, &format!(" {deeper}")));
        let _ = Fingerprint::of("[".repeat(1 << 20).as_bytes());
        let _ = Fingerprint::of(("[".repeat(1 << 19) + &"]".repeat(1 << 19)).as_bytes());
        let members: Vec<String> = (0..100_000).rev().map(|n| format!("\"{n:06}\":1")).collect();
        let _ = Fingerprint::of(format!("{{{}}}", members.join(",")).as_bytes());
        let nested = (0..100).fold("1".repeat(1 << 19), |inner, _| format!(r#"{{"b":{inner},"a":0}}"#));
        let _ = Fingerprint::of(nested.as_bytes());
    }

    #[test]
    fn display_is_lower_case_hexadecimal() {
        let fingerprint = Fingerprint::from_bytes([0xab; 32]);
        assert_eq!(fingerprint.to_string(), "ab".repeat(32));
        assert_eq!(Fingerprint::from_bytes(*fingerprint.as_bytes()), fingerprint);
    }

    #[test]
    fn stored_fingerprints_stay_valid() {
        let json = r#"{"type": "login", "order": {"b": [1.50, "\u00e9\/\n"], "a": {}}, "click_id": null}"#;
        assert_eq!(
            super::Json::parse(json).unwrap().canonical().unwrap(),
            r#"{"click_id":null,"order":{"a":{},"b":[1.50,"é/\u000a"]},"type":"login"}"#
        );
        for (body, stored) in [
            (json, "a12f64d1f1993f53054ed0430526111630a5d7ab0426eabdc090a9b93964f7a3"),
            ("not JSON", "6ceb1d043b8889b9a2d2591e10fd4975ae60412704d004653ca4fadab47a593c"),
        ] {
            assert_eq!(Fingerprint::of(body.as_bytes()).to_string(), stored);
        }
    }
}
