//! Comparison of clocks.

use std::time::Duration;

use onramp_webhooks::clock::Timestamp;

use super::finding::Finding;
use crate::time::in_words;

/// The difference that needs no attention: the `Date` of a response has whole seconds.
const SMALL: Duration = Duration::from_secs(2);

/// The difference from which on leases of another machine may end too early.
const LARGE: Duration = Duration::from_secs(15);

/// Compares the clock of this machine with `other`, a time that was read between `before` and `after`.
pub(super) fn finding(whose: &str, before: Timestamp, after: Timestamp, other: Timestamp) -> Finding {
    let (difference, word) = if other < before { (before.since(other), "behind") } else { (other.since(after), "ahead of") };
    let fix = "Let both machines set their clocks by NTP, for example with: timedatectl set-ntp true";
    let detail = format!("the clock of {whose} is {} {word} this machine", in_words(difference));
    match difference {
        difference if difference <= SMALL => Finding::good("clock", format!("the clocks of {whose} and of this machine agree")),
        difference if difference <= LARGE => Finding::warning("clock", detail, fix),
        _ => Finding::failed("clock", detail, fix),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn the_time_of_the_question_is_no_difference() {
        let (before, after) = (Timestamp::from_millis(100_000), Timestamp::from_millis(104_000));
        for (other, expected, word) in [
            (98_000, Verdict::Good, "agree"),
            (102_000, Verdict::Good, "agree"),
            (106_000, Verdict::Good, "agree"),
            (97_999, Verdict::Warning, "2 s behind"),
            (106_001, Verdict::Warning, "2 s ahead"),
            (84_999, Verdict::Failed, "15 s behind"),
            (119_001, Verdict::Failed, "15 s ahead"),
        ] {
            let finding = finding("the database", before, after, Timestamp::from_millis(other));
            assert_eq!(finding.verdict, expected, "{other}");
            assert!(finding.detail.contains(word), "{}", finding.detail);
        }
    }
}
