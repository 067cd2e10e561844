//! Codes of currencies and crypto commodities.

use std::fmt;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::DecodeError;
use super::fields::Decode;
use crate::json::Value;

/// The code of a currency or a crypto commodity as it was received: `USD`, `usd`, `BTC`, `matic.sc.polygon`.
///
/// Equality is exact; [`same_as`](Currency::same_as) ignores case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Currency(SmolStr);

impl Currency {
    /// Returns the code as it was received.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether the code is a national currency of ISO 4217, in any case. Metals, funds and test codes (`XAU`, `CLF`, `XTS`)
    /// are not.
    ///
    /// A crypto commodity can have the same code: Mantle's `MNT` is also the Mongolian tögrög.
    #[must_use]
    pub fn is_fiat(&self) -> bool {
        self.iso().is_some()
    }

    /// Returns the number of decimals of the currency's minor unit by ISO 4217: 2 for `USD`, 0 for `JPY`. `None` if the code is not
    /// a national currency, or if it has no minor unit.
    #[must_use]
    pub fn decimals(&self) -> Option<u16> {
        self.iso()?.exponent()
    }

    fn iso(&self) -> Option<iso_currency::Currency> {
        let currency = iso_currency::Currency::from_code(&self.0.to_ascii_uppercase())?;
        (!currency.is_special() && !currency.is_fund()).then_some(currency)
    }

    /// Returns whether `other` is the same code, ignoring case.
    #[must_use]
    pub fn same_as(&self, other: &str) -> bool {
        self.0.eq_ignore_ascii_case(other)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl AsRef<str> for Currency {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Currency {
    fn from(code: &str) -> Self {
        Self(code.into())
    }
}

impl From<String> for Currency {
    fn from(code: String) -> Self {
        Self(code.into())
    }
}

impl Decode for Currency {
    fn decode(value: Value<'_>) -> Result<Self, DecodeError> {
        SmolStr::decode(value).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_national_currencies_are_fiat() {
        for code in ["USD", "usd", "Eur", "JPY", "XAF", "XOF", "mnt"] {
            assert!(Currency::from(code).is_fiat(), "{code}");
        }
        for code in
            ["BTC", "ETHSC", "matic.sc.polygon", "XAU", "xts", "XXX", "XDR", "CLF", "USDT", "USDC", "", "US", "ＵＳＤ", "uſd"]
        {
            assert!(!Currency::from(code).is_fiat(), "{code}");
        }
    }

    #[test]
    fn codes_are_compared_in_any_case() {
        assert!(Currency::from("usd").same_as("USD"));
        assert!(!Currency::from("usd").same_as("USDT"));
    }
}
