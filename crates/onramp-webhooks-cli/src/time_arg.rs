//! Moments as people write them.

use std::time::Duration;

use onramp_webhooks::clock::Timestamp;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A moment on the calendar, or so long ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    At(Timestamp),
    Ago(Duration),
}

impl Moment {
    pub(crate) fn before(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(moment) => moment,
            Self::Ago(time) => now.before(time),
        }
    }
}

pub(crate) fn moment(text: &str) -> Result<Moment, String> {
    if let Ok(time) = OffsetDateTime::parse(text, &Rfc3339) {
        let millis = i64::try_from(time.unix_timestamp_nanos().div_euclid(1_000_000)).map_err(|_| "too far away".to_owned())?;
        return Ok(Moment::At(Timestamp::from_millis(millis)));
    }
    duration(text).map(Moment::Ago).map_err(|_| "neither like 2026-01-31T18:00:00Z nor like 48h".to_owned())
}

/// Reads `90s`, `15m`, `48h` and `7d`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "not like 90s, 15m, 48h or 7d".to_owned();
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let seconds: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(wrong)
}

/// As RFC 3339, in UTC.
pub(crate) fn shown(moment: Timestamp) -> String {
    let time = OffsetDateTime::from_unix_timestamp(moment.as_millis().div_euclid(1_000)).ok();
    time.and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_else(|| format!("{} ms", moment.as_millis()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calendars_and_durations_are_read_and_nothing_else() {
        let noon = Timestamp::from_millis(1_767_312_000_000);
        assert_eq!(moment("2026-01-02T00:00:00Z"), Ok(Moment::At(noon)));
        assert_eq!(moment("2026-01-02T02:00:00+02:00"), Ok(Moment::At(noon)));
        assert_eq!(shown(noon), "2026-01-02T00:00:00Z");
        for (text, seconds) in [("90s", 90), ("15m", 900), ("48h", 172_800), ("7d", 604_800), ("0s", 0)] {
            assert_eq!(moment(text), Ok(Moment::Ago(Duration::from_secs(seconds))));
        }
        assert_eq!(Moment::Ago(Duration::from_secs(1)).before(noon), Timestamp::from_millis(1_767_311_999_000));
        for text in ["", "h", "48", "-1h", "1.5h", "48é", "é", "18446744073709551615d", "2026-01-02", "yesterday"] {
            assert!(moment(text).is_err(), "{text}");
        }
    }
}
