//! Advice for operators about an alarm.

use std::time::Duration;

use super::{EndpointStatus, Verdict};
use crate::provider::Refusals;

/// Returns the advice about a verdict; `None` if there is nothing to do.
pub(super) fn advice(status: &EndpointStatus, refusals: &Refusals) -> Option<String> {
    let strangers = strangers(status);
    match status.verdict {
        Verdict::Refusing if status.refused_in_a_row >= refusals.alarm_after => Some(format!(
            "The last {} requests of the provider were not acknowledged; the log has the reasons. {} {}",
            status.refused_in_a_row, refusals.consequence, refusals.remedy
        )),
        Verdict::Refusing => Some(format!("Nothing is received any more.{strangers} {}", refusals.remedy)),
        Verdict::Silent => Some(format!(
            "Nothing was received for {}, longer than {}. The provider may have stopped sending.{strangers} {} {}",
            hours(status.silent_for),
            hours(status.silent_after),
            refusals.consequence,
            refusals.remedy
        )),
        Verdict::Attention => Some(format!(
            "{} events that report purchases cannot be read and are in quarantine. A version that can read them handles them by itself; \
             update, or credit them by hand.",
            status.quarantined_purchases
        )),
        Verdict::Fine if status.last_received.is_none() && !strangers.is_empty() => {
            Some(format!("Nothing was received yet.{strangers} {}", refusals.remedy))
        }
        Verdict::Fine => None,
    }
}

/// Describes refused requests that may have come from the provider.
fn strangers(status: &EndpointStatus) -> String {
    let mut text = String::new();
    if status.unlisted > 0 {
        text += &format!(
            " {} requests came from addresses that are not on the allow-list; check in the log whether one is the provider's.",
            status.unlisted
        );
    }
    if status.wrong_secrets > 0 {
        text += &format!(" {} requests came with a wrong secret; check the address that the provider has.", status.wrong_secrets);
    }
    text
}

fn hours(time: Option<Duration>) -> String {
    let minutes = time.unwrap_or_default().as_secs() / 60;
    format!("{} h {:02} min", minutes / 60, minutes % 60)
}
