//! The pauses between checks of the same delivery.

use std::time::Duration;

/// A schedule of checks whose pauses grow with the age of the delivery.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    pub(super) min_pause: Duration,
    pub(super) max_pause: Duration,
    pub(super) give_up_after: Duration,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            min_pause: Duration::from_secs(5),
            max_pause: Duration::from_secs(600),
            give_up_after: Duration::from_secs(24 * 3_600),
        }
    }
}

impl Schedule {
    /// Returns the pause before a delivery of this age is checked again.
    pub(super) fn pause(&self, age: Duration) -> Duration {
        (age / 2).min(self.max_pause).max(self.min_pause)
    }

    /// Returns the same pause, shortened so that the last check is at `give_up_after`.
    pub(super) fn pause_before_giving_up(&self, age: Duration) -> Duration {
        self.pause(age).min(self.give_up_after.saturating_sub(age))
    }

    pub(super) fn is_over(&self, age: Duration) -> bool {
        age >= self.give_up_after
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_the_maximum_and_the_last_check_is_at_the_end() {
        let schedule = Schedule { give_up_after: Duration::from_secs(2_000), ..Schedule::default() };
        let (mut age, mut checks) = (Duration::ZERO, Vec::new());
        while !schedule.is_over(age) {
            age += schedule.pause_before_giving_up(age);
            checks.push(age.as_secs());
        }
        assert_eq!(checks, [5, 10, 15, 22, 33, 50, 75, 113, 170, 256, 384, 576, 864, 1_297, 1_897, 2_000]);
        assert_eq!(schedule.pause(Duration::MAX), Duration::from_secs(600));
    }

    #[test]
    fn no_setting_panics() {
        let schedule = Schedule { min_pause: Duration::MAX, max_pause: Duration::ZERO, give_up_after: Duration::ZERO };
        assert_eq!(schedule.pause(Duration::ZERO), Duration::MAX);
        assert!(schedule.is_over(Duration::ZERO));
    }
}
