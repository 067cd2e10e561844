//! Points in time and durations on the command line.

use std::time::Duration;

use onramp_webhooks::clock::Timestamp;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A point in time: a date, or a duration before now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeArg {
    At(Timestamp),
    Ago(Duration),
}

impl TimeArg {
    pub(crate) fn resolve(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(time) => time,
            Self::Ago(duration) => now.before(duration),
        }
    }
}

/// Parses RFC 3339, and durations as [`parse_duration`] does.
pub(crate) fn parse_time(text: &str) -> Result<TimeArg, String> {
    if let Ok(time) = OffsetDateTime::parse(text, &Rfc3339) {
        let millis = i64::try_from(time.unix_timestamp_nanos().div_euclid(1_000_000)).map_err(|_| "out of range".to_owned())?;
        return Ok(TimeArg::At(Timestamp::from_millis(millis)));
    }
    parse_duration(text).map(TimeArg::Ago).map_err(|_| "expected a time such as 2026-01-31T18:00:00Z or 48h".to_owned())
}

/// Parses durations such as `90s`, `15m`, `48h` and `7d`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let invalid = || "expected a duration such as 90s, 15m, 48h or 7d".to_owned();
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(invalid)?;
    let seconds: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(invalid()),
    };
    let number: u64 = number.parse().map_err(|_| invalid())?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(invalid)
}

/// Formats as RFC 3339 in UTC.
pub(crate) fn format_time(timestamp: Timestamp) -> String {
    let time = OffsetDateTime::from_unix_timestamp(timestamp.as_millis().div_euclid(1_000)).ok();
    time.and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_else(|| format!("{} ms", timestamp.as_millis()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_dates_and_durations_are_parsed() {
        let noon = Timestamp::from_millis(1_767_312_000_000);
        assert_eq!(parse_time("2026-01-02T00:00:00Z"), Ok(TimeArg::At(noon)));
        assert_eq!(parse_time("2026-01-02T02:00:00+02:00"), Ok(TimeArg::At(noon)));
        assert_eq!(format_time(noon), "2026-01-02T00:00:00Z");
        for (text, seconds) in [("90s", 90), ("15m", 900), ("48h", 172_800), ("7d", 604_800), ("0s", 0)] {
            assert_eq!(parse_time(text), Ok(TimeArg::Ago(Duration::from_secs(seconds))));
        }
        assert_eq!(TimeArg::Ago(Duration::from_secs(1)).resolve(noon), Timestamp::from_millis(1_767_311_999_000));
        for text in ["", "h", "48", "-1h", "1.5h", "48é", "é", "18446744073709551615d", "2026-01-02", "yesterday"] {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }
}
