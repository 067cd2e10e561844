//! Timestamps in the format of Wert's Data API.

use onramp_webhooks::clock::Timestamp;
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcDateTime};

/// Parses `2022-12-15 10:51:02` and RFC 3339. A time without a zone is UTC.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    let (date, clock) = text.split_once([' ', 'T', 't'])?;
    let clock = clock.trim();
    let zone = if clock.ends_with(['Z', 'z']) || clock.contains(['+', '-']) { "" } else { "Z" };
    let time = OffsetDateTime::parse(&format!("{date}T{clock}{zone}"), &Rfc3339).ok()?;
    i64::try_from(time.unix_timestamp_nanos().div_euclid(1_000_000)).ok().map(Timestamp::from_millis)
}

/// Formats as `YYYY-MM-DDTHH:MM:SSZ`, rounded down to the second. Returns `None` for years that do not have four digits.
pub(crate) fn format(time: Timestamp) -> Option<String> {
    let seconds = time.as_millis().div_euclid(1_000);
    UtcDateTime::from_unix_timestamp(seconds).ok()?.format(&Rfc3339).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    #[test]
    fn times_without_a_zone_are_utc() {
        // 1671101462 is 2022-12-15 10:51:02 UTC.
        for text in [
            "2022-12-15 10:51:02",
            "2022-12-15T10:51:02",
            "2022-12-15T10:51:02Z",
            "2022-12-15T10:51:02.000000Z",
            "2022-12-15 12:51:02+02:00",
            "2022-12-15T05:51:02-05:00",
        ] {
            assert_eq!(parse(text), Some(at(1_671_101_462)), "{text}");
        }
        assert_eq!(parse("2022-12-15 10:51:02.5").unwrap().as_millis(), 1_671_101_462_500);
        for text in ["", "yesterday", "2022-12-15", "2022-13-15 10:51:02", "2022-12-15 25:51:02", "15.12.2022 10:51", "١-٢ ٣"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn times_are_formatted_as_documented() {
        assert_eq!(format(at(1_671_101_462)).unwrap(), "2022-12-15T10:51:02Z");
        assert_eq!(format(Timestamp::from_millis(1_671_101_462_999)).unwrap(), "2022-12-15T10:51:02Z");
        assert_eq!(format(Timestamp::from_millis(-1)).unwrap(), "1969-12-31T23:59:59Z");
        assert_eq!(format(Timestamp::from_millis(i64::MAX)), None);
    }

    proptest! {
        #[test]
        fn formatted_times_are_parsed_back(seconds in -62_135_596_800_i64..253_402_300_800) {
            let written = format(at(seconds)).unwrap();
            prop_assert_eq!(parse(&written), Some(at(seconds)));
            prop_assert_eq!(parse(&written.replace('T', " ").replace('Z', "")), Some(at(seconds)));
        }

        #[test]
        fn never_panics(text: String, near in "[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{0,12})?[-+Z]?.{0,6}") {
            let _ = (parse(&text), parse(&near));
        }
    }
}
