//! Moments and durations: on the command line, in text and in JSON.

use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp as Moment, ZonedDateTime};
use onramp_webhooks::clock::Timestamp;

/// A point in time: a date, or a duration before now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeArg {
    At(Timestamp),
    Ago(Duration),
    /// The beginning of a day.
    Day(Date),
    /// The beginning of the current day.
    Today,
}

impl TimeArg {
    /// Returns the point in time. Days begin at midnight in `zone`.
    pub(crate) fn resolve(self, now: Timestamp, zone: &TimeZone) -> Timestamp {
        let beginning =
            |day: Option<Date>| day.and_then(|day| day.to_zoned_datetime(zone.clone()).ok()).map_or(now, |zoned| of(&zoned));
        match self {
            Self::At(time) => time,
            Self::Ago(duration) => now.before(duration),
            Self::Day(day) => beginning(Some(day)),
            Self::Today => beginning(zoned(now, zone).map(|zoned| zoned.date())),
        }
    }
}

fn of(zoned: &ZonedDateTime) -> Timestamp {
    Timestamp::from_millis(zoned.timestamp().as_millisecond())
}

fn zoned(time: Timestamp, zone: &TimeZone) -> Option<ZonedDateTime> {
    Some(Moment::from_millisecond(time.as_millis()).ok()?.to_zoned_datetime(zone.clone()))
}

/// Parses RFC 3339, `2026-01-31`, `today`, and durations as [`parse_duration`] does.
pub(crate) fn parse_time(text: &str) -> Result<TimeArg, String> {
    if text == "today" {
        return Ok(TimeArg::Today);
    }
    if let Ok(moment) = text.parse::<Moment>() {
        return Ok(TimeArg::At(Timestamp::from_millis(moment.as_millisecond())));
    }
    if text.len() == "2026-01-31".len()
        && let Ok(day) = text.parse::<Date>()
    {
        return Ok(TimeArg::Day(day));
    }
    let expected = "expected a time such as 2026-01-31T18:00:00Z, 2026-01-31, today, 48h or 2h30m";
    parse_duration(text).map(TimeArg::Ago).map_err(|_| expected.to_owned())
}

/// Parses durations such as `500ms`, `90s`, `15m`, `2h30m` and `7d`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let invalid = || "expected a duration such as 500ms, 90s, 15m, 2h30m or 7d".to_owned();
    let mut rest = text;
    let mut sum = Duration::ZERO;
    while !rest.is_empty() || text.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit()).ok_or_else(invalid)?;
        let (number, unit) = rest.split_at_checked(digits).ok_or_else(invalid)?;
        let end = unit.find(|letter: char| letter.is_ascii_digit()).unwrap_or(unit.len());
        let (unit, after) = unit.split_at_checked(end).ok_or_else(invalid)?;
        let millis: u64 = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(invalid()),
        };
        let number: u64 = number.parse().map_err(|_| invalid())?;
        let part = number.checked_mul(millis).map(Duration::from_millis).ok_or_else(invalid)?;
        sum = sum.checked_add(part).ok_or_else(invalid)?;
        rest = after;
    }
    Ok(sum)
}

/// Parses a duration that is not zero, for time limits.
pub(crate) fn parse_limit(text: &str) -> Result<Duration, String> {
    parse_duration(text).and_then(|limit| if limit.is_zero() { Err("must not be zero".to_owned()) } else { Ok(limit) })
}

/// Formats as RFC 3339 in UTC with milliseconds, for JSON.
pub(crate) fn rfc3339(time: Timestamp) -> String {
    format(time, &TimeZone::UTC, "%Y-%m-%dT%H:%M:%S.%3fZ")
}

/// Formats a time in `zone` with its offset, for text.
pub(crate) fn date_and_time(time: Timestamp, zone: &TimeZone) -> String {
    format(time, zone, "%Y-%m-%d %H:%M:%S %:z")
}

/// Formats the day in `zone`.
pub(crate) fn day(time: Timestamp, zone: &TimeZone) -> String {
    format(time, zone, "%Y-%m-%d")
}

/// Formats a duration for text, such as `2 h 30 min`, with its two largest units.
pub(crate) fn in_words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let units = [(seconds / 86_400, "d"), (seconds / 3_600 % 24, "h"), (seconds / 60 % 60, "min"), (seconds % 60, "s")];
    let begin = units.iter().position(|(number, _)| *number > 0);
    let shown = units.iter().skip(begin.unwrap_or(units.len())).take(2).filter(|(number, _)| *number > 0);
    let words: Vec<_> = shown.map(|(number, unit)| format!("{number} {unit}")).collect();
    if words.is_empty() { format!("{} ms", duration.as_millis()) } else { words.join(" ") }
}

/// Formats the time of day in `zone` with milliseconds, for lines of live events.
pub(crate) fn time_of_day(time: Timestamp, zone: &TimeZone) -> String {
    format(time, zone, "%H:%M:%S.%3f")
}

fn format(time: Timestamp, zone: &TimeZone, format: &str) -> String {
    let out_of_range = || format!("{} ms", time.as_millis());
    zoned(time, zone).map_or_else(out_of_range, |zoned| zoned.strftime(format).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp::from_millis(1_767_355_200_000);

    #[test]
    fn moments_are_dates_days_and_durations() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        for (text, expected) in [
            ("2026-01-02T12:00:00Z", "2026-01-02T12:00:00.000Z"),
            ("2026-01-02T14:00:00+02:00", "2026-01-02T12:00:00.000Z"),
            ("2026-01-02T11:59:59.999Z", "2026-01-02T11:59:59.999Z"),
            ("0s", "2026-01-02T12:00:00.000Z"),
            ("1s", "2026-01-02T11:59:59.000Z"),
            ("today", "2026-01-01T23:00:00.000Z"),
            ("2025-07-01", "2025-06-30T22:00:00.000Z"),
        ] {
            assert_eq!(rfc3339(parse_time(text).unwrap().resolve(NOON, &berlin)), expected, "{text}");
        }
        assert_eq!(rfc3339(TimeArg::Today.resolve(NOON, &TimeZone::UTC)), "2026-01-02T00:00:00.000Z");
        assert_eq!(date_and_time(NOON, &berlin), "2026-01-02 13:00:00 +01:00");
        assert_eq!(rfc3339(Timestamp::from_millis(i64::MAX)), "9223372036854775807 ms");
    }

    #[test]
    fn durations_have_two_units_in_text() {
        for (millis, words) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (59_000, "59 s"),
            (3_600_000, "1 h"),
            (11_520_000, "3 h 12 min"),
            (90_061_000, "1 d 1 h"),
            (86_401_000, "1 d"),
        ] {
            assert_eq!(in_words(Duration::from_millis(millis)), words);
        }
    }

    #[test]
    fn durations_have_units() {
        for (text, millis) in [
            ("500ms", 500),
            ("90s", 90_000),
            ("15m", 900_000),
            ("48h", 172_800_000),
            ("2h30m", 9_000_000),
            ("1d1h1m1s1ms", 90_061_001),
            ("7d", 604_800_000),
            ("0s", 0),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "h", "48", "-1h", "1.5h", "48é", "é", "18446744073709551615d", "2026-13-02", "yesterday", "1h2", "1 h"]
        {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }
}
