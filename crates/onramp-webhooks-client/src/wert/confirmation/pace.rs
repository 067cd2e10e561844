//! When to ask again, by the age of the delivery.

use std::time::Duration;

#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) first: Duration,
    pub(super) longest: Duration,
    pub(super) give_up_after: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { first: Duration::from_secs(5), longest: Duration::from_secs(600), give_up_after: Duration::from_secs(24 * 3_600) }
    }
}

impl Pace {
    /// The pause before a delivery of this age is asked about again.
    pub(super) fn pause(&self, age: Duration) -> Duration {
        (age / 2).min(self.longest).max(self.first)
    }

    /// The same, but so that there is a question at the very end.
    pub(super) fn pause_before_the_end(&self, age: Duration) -> Duration {
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
    fn pauses_grow_up_to_the_longest_and_the_last_question_is_at_the_end() {
        let pace = Pace { give_up_after: Duration::from_secs(2_000), ..Pace::default() };
        let (mut age, mut asked) = (Duration::ZERO, Vec::new());
        while !pace.is_over(age) {
            age += pace.pause_before_the_end(age);
            asked.push(age.as_secs());
        }
        assert_eq!(asked, [5, 10, 15, 22, 33, 50, 75, 113, 170, 256, 384, 576, 864, 1_297, 1_897, 2_000]);
        assert_eq!(pace.pause(Duration::MAX), Duration::from_secs(600));
    }

    #[test]
    fn no_setting_panics() {
        let pace = Pace { first: Duration::MAX, longest: Duration::ZERO, give_up_after: Duration::ZERO };
        assert_eq!(pace.pause(Duration::ZERO), Duration::MAX);
        assert!(pace.is_over(Duration::ZERO));
    }
}
