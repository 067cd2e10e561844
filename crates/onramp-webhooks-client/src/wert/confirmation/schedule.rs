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

    /// Returns the pause before an order that the provider does not know is checked again. It grows until `give_up_after`.
    pub(super) fn pause_of_unknown(&self, age: Duration) -> Duration {
        (age / 2).max(self.min_pause).min(self.give_up_after.saturating_sub(age))
    }

    /// Returns the pause before a check that was put off is made. A random part spreads the checks of a flood over the time.
    pub(super) fn pause_of_postponed(&self, age: Duration, random: f64) -> Duration {
        let pause = self.pause(age);
        (pause / 2).saturating_add((pause / 2).mul_f64(random.clamp(0.0, 1.0)))
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
    fn unknown_orders_are_checked_ever_more_slowly() {
        let schedule = Schedule::default();
        let (mut age, mut checks) = (Duration::ZERO, Vec::new());
        while !schedule.is_over(age) {
            age += schedule.pause_of_unknown(age);
            checks.push(age.as_secs());
        }
        let last = [2_919, 4_378, 6_568, 9_852, 14_778, 22_168, 33_252, 49_878, 74_818, 86_400];
        assert_eq!((checks.len(), &checks[checks.len() - 10..]), (25, &last[..]));
    }

    #[test]
    fn a_check_that_is_put_off_comes_within_the_usual_pause() {
        let schedule = Schedule::default();
        let hour = Duration::from_secs(3_600);
        let pauses = [0.0, 0.5, 1.0].map(|random| schedule.pause_of_postponed(hour, random).as_secs());
        assert_eq!(pauses, [300, 450, 600]);
    }

    #[test]
    fn no_setting_panics() {
        let schedule = Schedule { min_pause: Duration::MAX, max_pause: Duration::ZERO, give_up_after: Duration::ZERO };
        assert_eq!(schedule.pause(Duration::ZERO), Duration::MAX);
        assert_eq!(schedule.pause_of_unknown(Duration::MAX), Duration::ZERO);
        assert!(schedule.pause_of_postponed(Duration::ZERO, 1.0) > Duration::ZERO);
        assert!(schedule.is_over(Duration::ZERO));
    }
}
