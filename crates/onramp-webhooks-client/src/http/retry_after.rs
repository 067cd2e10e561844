//! The `retry-after` header.

use std::time::{Duration, SystemTime};

use onramp_webhooks::clock::Timestamp;
use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};

/// The cap for a `retry-after`. A longer one indicates a broken server or a wrong clock.
const MAX: Duration = Duration::from_secs(24 * 3_600);

/// Parses `retry-after`, in seconds or as a date. A date is relative to the response's own `date` header, so that neither clock has
/// to be right. Without that header, it is relative to `now`.
pub(super) fn parse(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let pause = text.parse().map(Duration::from_secs).ok().or_else(|| {
        let at = httpdate::parse_http_date(text).ok()?;
        let from = date(headers, &DATE).unwrap_or_else(|| now.into());
        Some(at.duration_since(from).unwrap_or_default())
    });
    pause.map(|pause| pause.min(MAX))
}

fn date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    const HOUR: u64 = 3_600;

    fn after(retry_after: &str, date: Option<&str>, now: u64) -> Option<u64> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_str(retry_after).unwrap());
        if let Some(date) = date {
            headers.insert(DATE, HeaderValue::from_str(date).unwrap());
        }
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(now);
        parse(&headers, now.into()).map(|pause| pause.as_secs())
    }

    #[test]
    fn seconds_and_dates_are_read() {
        // 784111777 is 1994-11-06 08:49:37.
        let now = 784_111_777;
        for (text, date, now, expected) in [
            ("0", None, now, Some(0)),
            (" 120 ", None, now, Some(120)),
            ("99999999", None, now, Some(24 * HOUR)),
            ("18446744073709551615", None, now, Some(24 * HOUR)),
            ("Sun, 06 Nov 1994 08:49:57 GMT", None, now, Some(20)),
            ("Sun, 06 Nov 1994 08:49:17 GMT", None, now, Some(0)),
            ("Sun, 06 Nov 1994 08:49:57 GMT", Some("Sun, 06 Nov 1994 08:49:47 GMT"), now, Some(10)),
            ("Sun, 06 Nov 1994 08:49:57 GMT", Some("yesterday"), now, Some(20)),
            ("99999999999999999999999", None, now, None),
            ("-1", None, now, None),
            ("1.5", None, now, None),
            ("soon", None, now, None),
            ("", None, now, None),
        ] {
            assert_eq!(after(text, date, now), expected, "{text}");
        }
    }

    #[test]
    fn a_wrong_clock_does_not_change_the_result() {
        for now in [784_111_777 - 9 * HOUR, 784_111_777 + 9 * HOUR] {
            let after = after("Sun, 06 Nov 1994 08:50:07 GMT", Some("Sun, 06 Nov 1994 08:49:37 GMT"), now);
            assert_eq!(after, Some(30));
        }
    }
}
