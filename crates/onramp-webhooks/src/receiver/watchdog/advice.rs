//! What a person can do about an alarm.

use std::time::Duration;

use super::{EndpointWatch, Verdict};

/// What a provider does with an address that fails, as its documentation has it.
#[derive(Debug)]
pub(crate) struct Stopping {
    /// So many failures in a row are an alarm: few enough that there is time to act.
    pub(crate) failures: u32,
    /// What becomes of events that were refused.
    pub(crate) consequence: &'static str,
    /// Where sending is switched on again, and where to look.
    pub(crate) remedy: &'static str,
}

/// What to do about a verdict; `None`: nothing.
pub(super) fn advice(watch: &EndpointWatch, stopping: &Stopping) -> Option<String> {
    let strangers = strangers(watch);
    match watch.verdict {
        Verdict::Refusing if watch.refused_in_a_row >= stopping.failures => Some(format!(
            "the last {} requests from the provider were not acknowledged; the log says why. {} {}",
            watch.refused_in_a_row, stopping.consequence, stopping.remedy
        )),
        Verdict::Refusing => Some(format!("nothing is received any more.{strangers} {}", stopping.remedy)),
        Verdict::Silent => Some(format!(
            "nothing was received for {}; {} was to be expected at most. Has the provider stopped sending?{strangers} {} {}",
            hours(watch.silent_for),
            hours(watch.silent_after),
            stopping.consequence,
            stopping.remedy
        )),
        Verdict::Learning if watch.last_received.is_none() && !strangers.is_empty() => {
            Some(format!("nothing was received yet.{strangers} {}", stopping.remedy))
        }
        Verdict::Learning | Verdict::Fine => None,
    }
}

/// What came meanwhile that may have been the provider.
fn strangers(watch: &EndpointWatch) -> String {
    let mut text = String::new();
    if watch.unlisted > 0 {
        text += &format!(
            " {} requests came from addresses that are not on the list; the log has the addresses: is one the provider's?",
            watch.unlisted
        );
    }
    if watch.wrong_secrets > 0 {
        text += &format!(" {} requests came with a wrong secret: does the provider have the right address?", watch.wrong_secrets);
    }
    text
}

fn hours(time: Option<Duration>) -> String {
    let minutes = time.unwrap_or_default().as_secs() / 60;
    format!("{} h {:02} min", minutes / 60, minutes % 60)
}
