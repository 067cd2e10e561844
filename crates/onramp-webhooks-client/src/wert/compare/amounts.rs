//! Comparing the amounts of an event with those of the API, which may have fewer digits.

use onramp_webhooks::event::{Amount, BigDecimal};

/// A float keeps at least 15 digits, so amounts that differ by less than one part in 10^15 may be the same.
const FLOAT_PRECISION: u64 = 1_000_000_000_000_000;

/// Rounding changes an amount by at most one part in this number. Without a limit, an order of 1 would confirm an event of 1.49.
const COARSEST_ROUNDING: u64 = 100;

/// Returns `true` if the provider's amount is that of the event, or if it has fewer decimals and the event's amount rounds to it.
///
/// JSON numbers have no trailing zeros, so the provider's amount counts as one with at least `min_decimals`.
pub(super) fn agree(event: &Amount, provider: &Amount, min_decimals: u16) -> bool {
    let (event, provider) = (event.to_decimal(), provider.to_decimal());
    let kept = decimals(&provider).max(min_decimals.into());
    event == provider || (kept < decimals(&event) && may_be_rounded(&event, &provider, kept))
}

/// Returns `true` if the event's amount, rounded half up to `kept` decimals or to the precision of a float, is that of the provider.
fn may_be_rounded(event: &BigDecimal, provider: &BigDecimal, kept: i64) -> bool {
    let unit = BigDecimal::new(1.into(), kept);
    let excess = event - provider;
    let within = |parts: u64| excess.abs() * BigDecimal::from(parts) <= *provider;
    let doubled = excess.double();
    let is_half_up = -&unit <= doubled && doubled < unit;
    within(FLOAT_PRECISION) || (is_half_up && within(COARSEST_ROUNDING))
}

/// Returns the number of decimals, without trailing zeros.
fn decimals(amount: &BigDecimal) -> i64 {
    amount.fractional_digit_count().max(0)
}

#[cfg(test)]
mod tests {
    fn agree(event: &str, provider: &str, min_decimals: u16) -> bool {
        super::agree(&event.parse().unwrap(), &provider.parse().unwrap(), min_decimals)
    }

    #[test]
    fn equal_amounts_agree_in_every_spelling() {
        for (event, provider) in [("250.00", "250"), ("0", "0.0"), ("1e-8", "0.00000001"), ("100", "1e2"), ("0.1", "0.10")] {
            assert!(agree(event, provider, 0), "{event} {provider}");
        }
    }

    #[test]
    fn fewer_digits_agree_if_the_event_rounds_to_them_half_up() {
        for (event, provider) in [
            ("0.00391274", "0.0039127"),
            ("0.00391274", "0.003913"),
            ("0.00391274", "0.0039"),
            ("0.00391250", "0.0039125"),
            ("0.003915", "0.00392"),
            ("123.45", "123"),
            ("123.50", "124"),
        ] {
            assert!(agree(event, provider, 0), "{event} {provider}");
        }
        for (event, provider) in [
            // Cut off.
            ("0.003917", "0.00391"),
            // Rounded down at the half.
            ("0.003915", "0.00391"),
            ("0.00391274", "0.0039128"),
            ("123.45", "122"),
            // Whole numbers are not rounded to tens.
            ("123", "120"),
            // Coarser than one percent.
            ("1.49", "1"),
            ("0.4", "0"),
            ("0.000000000000000001", "0"),
        ] {
            assert!(!agree(event, provider, 0), "{event} {provider}");
        }
    }

    #[test]
    fn more_digits_than_the_event_never_agree() {
        for (event, provider) in [
            ("0.1", "0.10000000000001"),
            ("0.1", "0.1000000000000000055"),
            ("250.00", "250.0000001"),
            ("0", "0.000000000000000001"),
            ("0.003913", "0.00391274"),
        ] {
            assert!(!agree(event, provider, 0), "{event} {provider}");
        }
    }

    #[test]
    fn an_amount_of_money_has_its_minor_unit() {
        assert!(agree("250.004", "250", 2));
        assert!(agree("250.005", "250.01", 2));
        assert!(!agree("250.49", "250", 2));
        assert!(!agree("249.99", "250", 2));
    }

    #[test]
    fn the_api_s_floats_agree() {
        for (event, provider) in [
            ("1234567890.123456789012345678", "1234567890.1234567"),
            ("589000000000000.000000000000000001", "589000000000000"),
            ("0.100000000000000005", "0.1"),
        ] {
            assert!(agree(event, provider, 0), "{event}");
        }
        for (event, provider) in
            [("1234567890.123456789012345678", "1234567890.12345"), ("1e256", "1e255"), ("1e255", "1e256"), ("100", "1")]
        {
            assert!(!agree(event, provider, 0), "{event}");
        }
    }
}
