//! A limit for lines of the log that strangers can cause.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Timestamp;

/// The shortest time between two lines.
const PAUSE: Duration = Duration::from_secs(1);

/// Limit for lines of the log that strangers can cause: one line each second, with the number of events since the last line.
#[derive(Debug, Default)]
pub struct LogLimit(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    last: Option<Timestamp>,
    events: u64,
}

impl LogLimit {
    /// Counts an event. Returns the number of events since the last line, with this one, if it may write a line.
    pub fn count(&self, now: Timestamp) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.events += 1;
        if state.last.is_some_and(|last| last <= now && now.since(last) < PAUSE) {
            return None;
        }
        state.last = Some(now);
        Some(std::mem::take(&mut state.events))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_second_has_one_line_with_the_number_of_events() {
        let limit = LogLimit::default();
        let lines = [5_000, 5_001, 5_999, 6_000, 6_500, 9_000, 1_000, 1_500].map(|now| limit.count(Timestamp::from_millis(now)));
        assert_eq!(lines, [Some(1), None, None, Some(3), None, Some(2), Some(1), None]);
    }
}
