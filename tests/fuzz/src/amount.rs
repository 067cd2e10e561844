//! Amounts: exactly the documented texts are amounts, and they have the value that a decimal library reads.

use std::hash::{BuildHasher, RandomState};

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::{BigInt, Sign};
use onramp_webhooks::event::{Amount, Money, UnitsError};
use onramp_webhooks::fingerprint::Fingerprint;
use serde_json::value::RawValue;

use crate::parts;

/// Two amounts in two lines.
pub(crate) fn run(input: &[u8]) {
    let (a, b) = parts::two(input);
    if let (Some((a, x)), Some((b, y))) = (read(a), read(b)) {
        assert_eq!(a.cmp(&b), x.cmp(&y), "{a} {b}");
        assert_eq!(a == b, x == y, "{a} {b}");
        let money = |amount: &Amount| Fingerprint::of(b"").with_money(&[Money::new(amount.clone(), "USD".into())]);
        assert_eq!(money(&a) == money(&b), x == y, "digests of {a} {b}");
        let state = RandomState::new();
        assert!(x != y || state.hash_one(&a) == state.hash_one(&b), "hashes of {a} {b}");
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        "0\n0.0",
        "12.111\n12.1110",
        "250.00\n2.5e2",
        "1e-8\n0.00000001",
        "1.5E+3\n1500",
        "340282366920938463463374607431768211455\n340282366920938463463374607431768211456",
        "1234567890.123456789012345678\n1e256",
        "1e-256\n-1",
        "0e5\n00",
    ];
    let long = [format!("{}\n1.{}", "9".repeat(256), "0".repeat(255)), format!("{}\n1.{}", "9".repeat(257), "0".repeat(256))];
    texts.into_iter().map(str::to_owned).chain(long).map(String::into_bytes).collect()
}

/// Reads an amount, and compares it with a decimal number.
fn read(text: &[u8]) -> Option<(Amount, BigDecimal)> {
    let text = str::from_utf8(text).ok()?;
    let amount = text.parse::<Amount>().ok();
    assert_eq!(amount.is_some(), is_amount(text), "{text}");
    if is_json(text) && !text.starts_with('"') {
        assert_eq!(serde_json::from_str::<Amount>(text).ok(), amount, "{text} as a number");
    }
    let amount = amount?;
    let decimal: BigDecimal = text.parse().unwrap();
    assert_eq!((amount.as_str(), amount.to_decimal()), (text, decimal.clone()));
    assert_eq!(amount.to_string().parse(), Ok(decimal.clone()), "{text} is written out");
    assert_eq!(amount.is_zero(), decimal.sign() == Sign::NoSign);
    let (string, number) = (format!("\"{text}\""), amount.clone().into_number());
    assert_eq!(serde_json::from_str::<Amount>(&string).as_ref().ok(), Some(&amount));
    assert_eq!((serde_json::to_string(&amount).unwrap(), serde_json::to_string(&number).unwrap()), (string, text.to_owned()));
    for decimals in [0, 2, 18, 400] {
        assert_eq!(amount.to_units(decimals), units(&decimal, decimals), "{text} with {decimals} decimals");
    }
    Some((amount, decimal))
}

/// Returns whether a text is JSON without white space around it.
fn is_json(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok_and(|raw| raw.get() == text)
}

/// Returns whether a text is a JSON number without a sign, with at most 256 digits and an exponent between -256 and 256.
fn is_amount(text: &str) -> bool {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let digits = mantissa.bytes().filter(u8::is_ascii_digit).count();
    is_json(text)
        && text.starts_with(|first: char| first.is_ascii_digit())
        && text.len() <= 512
        && digits <= 256
        && exponent.parse::<i32>().is_ok_and(|exponent| (-256..=256).contains(&exponent))
}

fn units(decimal: &BigDecimal, decimals: u16) -> Result<u128, UnitsError> {
    let units = decimal * BigDecimal::new(BigInt::from(1), -i64::from(decimals));
    if !units.is_integer() {
        return Err(UnitsError::Inexact);
    }
    let (whole, _) = units.with_scale(0).into_bigint_and_scale();
    u128::try_from(whole).map_err(|_| UnitsError::TooLarge)
}
