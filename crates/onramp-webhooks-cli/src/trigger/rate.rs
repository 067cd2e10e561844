//! The rate of requests.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Turns at equal intervals. Turns that were missed are taken at once, so that the rate is kept over time.
#[derive(Debug)]
pub(crate) struct Turns {
    begun: Instant,
    per_second: Option<f64>,
    taken: AtomicU64,
}

impl Turns {
    /// Creates turns that begin now. Without a rate, every turn is at once.
    pub(crate) fn new(per_second: Option<f64>) -> Self {
        Self { begun: Instant::now(), per_second, taken: AtomicU64::new(0) }
    }

    /// Waits for the next turn. A turn is lost if the call is dropped.
    pub(crate) async fn take(&self) {
        if let Some(per_second) = self.per_second {
            let turn = self.taken.fetch_add(1, Ordering::Relaxed);
            sleep_until(self.begun + Duration::from_secs_f64(turn as f64 / per_second)).await;
        }
    }
}

/// Parses `200/s`, `30/m` or `5/h` as a number in each second.
pub(crate) fn parse(text: &str) -> Result<f64, String> {
    let invalid = || "expected a rate such as 200/s, 30/m or 5/h".to_owned();
    let (number, unit) = text.split_once('/').unwrap_or((text, "s"));
    let number: u32 = number.parse().map_err(|_| invalid())?;
    let seconds = match unit {
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        _ => return Err(invalid()),
    };
    if number == 0 { Err(invalid()) } else { Ok(f64::from(number) / seconds) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_has_a_number_and_a_unit() {
        for (text, rate) in [("200/s", 200.0), ("30/m", 0.5), ("36/h", 0.01), ("7", 7.0)] {
            assert_eq!(parse(text), Ok(rate));
        }
        for text in ["", "0/s", "-1/s", "1/d", "x/s", "1.5/s", "/s", "inf/s"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn turns_keep_the_rate_over_time() {
        let begun = Instant::now();
        let turns = Turns::new(Some(100.0));
        for _ in 0..101 {
            turns.take().await;
        }
        assert_eq!(begun.elapsed().as_millis(), 1_000);
        tokio::time::sleep(Duration::from_secs(1)).await;
        for _ in 0..100 {
            turns.take().await;
        }
        assert_eq!(begun.elapsed().as_millis(), 2_000, "those that were missed are taken at once");
        let any = Turns::new(None);
        any.take().await;
        assert_eq!(begun.elapsed().as_millis(), 2_000);
    }
}
