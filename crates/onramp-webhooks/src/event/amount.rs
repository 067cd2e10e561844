//! Exact amounts of money and crypto.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::BigInt;
use serde::ser::Error as _;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use smol_str::SmolStr;

use super::DecodeError;
use super::fields::Decode;
use super::model::deserialize_by_decoding;
use crate::json::Value as Json;

/// Maximum number of digits in an amount: more than any real amount has, and few enough to convert quickly.
const MOST_DIGITS: usize = 256;
const GREATEST_EXPONENT: i32 = 256;
/// Maximum length of an amount's text: the digits, the point and the exponent.
const LONGEST: usize = 512;

/// A non-negative amount, exact to the last digit, in the unit of its currency: dollars or ether, not cents or wei.
///
/// Providers write amounts as JSON strings and as JSON numbers. Both are read from their text, never through a float, and are
/// serialised the way they were received. Amounts compare by value: `1.50` equals `1.5`.
///
/// An amount cannot be read inside serde's internally tagged and untagged enums and `flatten`: serde buffers their content, which rounds
/// numbers, so deserializing an amount there is an error. A number that was first read into a `serde_json::Value` is already rounded.
///
/// ```
/// use onramp_webhooks::event::Amount;
///
/// let amount: Amount = "1234567890.123456789012345678".parse()?;
/// assert_eq!(amount.to_string(), "1234567890.123456789012345678");
/// assert_eq!(amount.to_decimal().double().to_plain_string(), "2469135780.246913578024691356");
/// assert_eq!("0.0183".parse::<Amount>()?.to_units(18), Ok(18_300_000_000_000_000));
/// # Ok::<(), onramp_webhooks::event::ParseAmountError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Amount {
    text: SmolStr,
    written_as: WrittenAs,
}

#[derive(Clone, Copy, Debug)]
enum WrittenAs {
    String,
    Number,
}

/// The parts of an amount's text.
struct Parts<'a> {
    whole: &'a str,
    fraction: &'a str,
    exponent: i32,
}

/// `digits` × 10^-`scale`, without zeros at either end of the digits. Zero has no digits.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
struct Value {
    digits: String,
    scale: i32,
}

/// Error returned when parsing an [`Amount`].
///
/// An amount is written like a JSON number (`0`, `12.111`, `1e-8`) without a sign. It has at most 256 digits and an exponent between
/// -256 and 256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an amount")]
#[non_exhaustive]
pub struct ParseAmountError;

/// Error returned when converting an amount to whole units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnitsError {
    /// The amount has more decimals than the unit.
    #[error("the amount has more decimals than its smallest unit")]
    Inexact,
    /// The number of units does not fit the integer type.
    #[error("the amount is too large for a whole number of units")]
    TooLarge,
    /// The currency has no minor unit in ISO 4217.
    #[error("the currency has no minor unit in ISO 4217")]
    UnknownCurrency,
}

impl Amount {
    /// Returns the amount as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the amount as a decimal number.
    #[must_use]
    pub fn to_decimal(&self) -> BigDecimal {
        let Value { digits, scale } = self.value();
        let whole = digits.bytes().map(|digit| digit - b'0').fold(BigInt::ZERO, |whole, digit| whole * 10 + digit);
        BigDecimal::new(whole, scale.into())
    }

    /// Converts the amount to whole units of 10^-`decimals`, without rounding: `18` gives the wei of an amount of ether.
    ///
    /// # Errors
    /// [`UnitsError::Inexact`] if the amount has more decimals, [`UnitsError::TooLarge`] if the result does not fit.
    pub fn to_units(&self, decimals: u16) -> Result<u128, UnitsError> {
        let Value { digits, scale } = self.value();
        if digits.is_empty() {
            return Ok(0);
        }
        let zeros = usize::try_from(i32::from(decimals) - scale).map_err(|_| UnitsError::Inexact)?;
        let zeros = Some(zeros).filter(|zeros| *zeros <= MOST_DIGITS).ok_or(UnitsError::TooLarge)?;
        format!("{digits}{}", "0".repeat(zeros)).parse().map_err(|_| UnitsError::TooLarge)
    }

    /// Returns whether the amount is zero.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.value().digits.is_empty()
    }

    /// Returns the same amount, serialised as a JSON number. A parsed amount is serialised as a JSON string.
    #[must_use]
    pub fn into_number(self) -> Self {
        Self { written_as: WrittenAs::Number, ..self }
    }

    /// Returns the amount in a form that is the same for every spelling of it.
    pub(super) fn canonical(&self) -> String {
        let Value { digits, scale } = self.value();
        format!("{digits}e{}", -scale)
    }

    fn value(&self) -> Value {
        // The text was checked when the amount was created.
        Parts::read(&self.text).map(Value::from).unwrap_or_default()
    }
}

impl<'a> Parts<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let text = Some(text).filter(|text| text.len() <= LONGEST)?;
        let (mantissa, exponent) =
            text.split_once(['e', 'E']).map_or((text, None), |(mantissa, exponent)| (mantissa, Some(exponent)));
        let (whole, fraction) = mantissa.split_once('.').map_or((mantissa, None), |(whole, fraction)| (whole, Some(fraction)));
        let well_formed = are_digits(whole) && fraction.is_none_or(are_digits) && (whole == "0" || !whole.starts_with('0'));
        let fraction = fraction.unwrap_or_default();
        let exponent = exponent.map_or(Some(0), parse_exponent)?;
        let bounded = whole.len() + fraction.len() <= MOST_DIGITS;
        (well_formed && bounded).then_some(Self { whole, fraction, exponent })
    }
}

impl From<Parts<'_>> for Value {
    fn from(Parts { whole, fraction, exponent }: Parts<'_>) -> Self {
        let digits = format!("{whole}{fraction}");
        let significant = digits.trim_end_matches('0');
        let fraction = i32::try_from(fraction.len()).unwrap_or(i32::MAX);
        let zeros = i32::try_from(digits.len() - significant.len()).unwrap_or(i32::MAX);
        let significant = significant.trim_start_matches('0');
        Self { digits: significant.into(), scale: if significant.is_empty() { 0 } else { fraction - exponent - zeros } }
    }
}

impl Value {
    /// Returns the number of digits before the point; negative for zeros after it.
    fn magnitude(&self) -> i32 {
        i32::try_from(self.digits.len()).unwrap_or(i32::MAX) - self.scale
    }
}

fn are_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn parse_exponent(text: &str) -> Option<i32> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let exponent = text.parse().ok().filter(|_| are_digits(digits))?;
    (-GREATEST_EXPONENT..=GREATEST_EXPONENT).contains(&exponent).then_some(exponent)
}

impl FromStr for Amount {
    type Err = ParseAmountError;

    fn from_str(text: &str) -> Result<Self, ParseAmountError> {
        Parts::read(text).ok_or(ParseAmountError)?;
        Ok(Self { text: text.into(), written_as: WrittenAs::String })
    }
}

impl Decode for Amount {
    fn decode(value: Json<'_>) -> Result<Self, DecodeError> {
        let amount = match value.string() {
            Some(text) => text.parse(),
            None if value.is_string() => return Err(DecodeError::unreadable("not a string")),
            None => value.text().parse().map(Self::into_number),
        };
        amount.map_err(|error: ParseAmountError| DecodeError::unreadable(error.to_string()))
    }
}

/// Formats the amount as it was written. An exponent is written out.
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.text.contains(['e', 'E']) { f.pad(&self.to_decimal().to_plain_string()) } else { f.pad(&self.text) }
    }
}

impl PartialEq for Amount {
    fn eq(&self, other: &Self) -> bool {
        self.value() == other.value()
    }
}

impl Eq for Amount {}

impl Hash for Amount {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.value().hash(state);
    }
}

impl PartialOrd for Amount {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Amount {
    fn cmp(&self, other: &Self) -> Ordering {
        let (a, b) = (self.value(), other.value());
        let by_magnitude = || a.magnitude().cmp(&b.magnitude()).then_with(|| a.digits.cmp(&b.digits));
        other.is_zero().cmp(&self.is_zero()).then_with(by_magnitude)
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.written_as {
            WrittenAs::String => serializer.serialize_str(&self.text),
            WrittenAs::Number => serde_json::from_str::<&RawValue>(&self.text).map_err(S::Error::custom)?.serialize(serializer),
        }
    }
}

deserialize_by_decoding!(Amount);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn amount(text: &str) -> Amount {
        text.parse().unwrap()
    }

    #[test]
    fn every_digit_is_kept() {
        for text in [
            "0",
            "12.111",
            "250.00",
            "0.000000000000000001",
            "1234567890123456.123456789012345678",
            "589000000000000.000000000000000000",
            "999999999999999999999999999999",
        ] {
            assert_eq!(amount(text).to_string(), text);
            assert_eq!(amount(text).to_decimal(), text.parse::<BigDecimal>().unwrap());
            let number: Amount = serde_json::from_str(text).unwrap();
            let string: Amount = serde_json::from_str(&format!("{text:?}")).unwrap();
            assert_eq!(number, string);
            assert_eq!(serde_json::to_string(&number).unwrap(), text);
            assert_eq!(serde_json::to_string(&string).unwrap(), format!("{text:?}"));
        }
    }

    #[test]
    fn other_texts_are_refused() {
        let long = "1".repeat(257);
        let tiny = format!("0.{}", "0".repeat(1 << 20));
        for text in [
            "",
            " ",
            "-1",
            "-0",
            "+1",
            "1,5",
            "1_000",
            "0x10",
            "NaN",
            "inf",
            "Infinity",
            ".5",
            "5.",
            "01",
            "1.5 ",
            " 1",
            "1e",
            "1e+",
            "1e+-1",
            "1.e1",
            "1e999999999",
            "1e257",
            "1e-257",
            "1e99999999999999999999",
            "١",
            "1.5.5",
            "1e1e1",
            "1e1.0",
            &long,
            &tiny,
        ] {
            assert_eq!(text.parse::<Amount>(), Err(ParseAmountError), "{text:.40}");
        }
        for json in ["true", "null", "[]", "{}", "-1", r#""\ud800""#, r#"" 1""#] {
            assert!(serde_json::from_str::<Amount>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn units_are_exact_or_refused() {
        for (text, decimals, units) in [
            ("12.34", 2, Ok(1_234)),
            ("12.340", 2, Ok(1_234)),
            ("12.345", 2, Err(UnitsError::Inexact)),
            ("0", 0, Ok(0)),
            ("1e-18", 18, Ok(1)),
            ("1e-19", 18, Err(UnitsError::Inexact)),
            ("1e256", 18, Err(UnitsError::TooLarge)),
            ("340282366920938463463374607431768211455", 0, Ok(u128::MAX)),
            ("340282366920938463463374607431768211456", 0, Err(UnitsError::TooLarge)),
            ("1", u16::MAX, Err(UnitsError::TooLarge)),
        ] {
            assert_eq!(amount(text).to_units(decimals), units, "{text}");
        }
    }

    #[test]
    fn exponents_are_written_out() {
        assert_eq!(amount("1e-8").to_string(), "0.00000001");
        assert_eq!(amount("1.5E+3").to_string(), "1500");
        assert_eq!(amount("1e-8").as_str(), "1e-8");
        assert_eq!(amount("0e5").to_string(), "0");
    }

    proptest! {
        #[test]
        fn compares_and_hashes_by_value(a in "(0|[1-9][0-9]{0,3})(\\.[0-9]{1,4})?(e-?[0-3])?", b in "(0|[1-9][0-9]{0,3})(\\.[0-9]{1,4})?") {
            let (x, y) = (amount(&a), amount(&b));
            prop_assert_eq!(x.cmp(&y), x.to_decimal().cmp(&y.to_decimal()));
            prop_assert_eq!(x == y, x.cmp(&y).is_eq());
            prop_assert_eq!(x.to_decimal(), a.parse::<BigDecimal>().unwrap());
            prop_assert_eq!(x.is_zero(), x == amount("0"));
            prop_assert_eq!(&amount(&x.to_string()), &x);
        }

        #[test]
        fn never_panics(text: String) {
            let _ = text.parse::<Amount>();
        }
    }
}
