//! The status of endpoints, as all running receivers of an inbox see it.

use serde::Deserialize;

use super::{EndpointStatus, Verdict};
use crate::clock::Timestamp;
use crate::traffic::Process;

/// Returns the status of each endpoint, as all running receivers together see it, by its name.
///
/// An endpoint is silent if all of them say so, and refuses if one of them does.
#[must_use]
pub fn endpoints(processes: &[Process], now: Timestamp) -> Vec<EndpointStatus> {
    let running = processes.iter().filter(|process| process.is_running(now));
    let mut statuses: Vec<EndpointStatus> = running.flat_map(endpoints_of).collect();
    statuses.sort_by(|one, other| one.name.cmp(&other.name));
    statuses.chunk_by(|one, other| one.name == other.name).filter_map(|same| together(same, now)).collect()
}

/// Returns the status of the endpoints that a process receives from, at its last sign of life. One that another version writes in another
/// way is left out.
#[must_use]
pub fn endpoints_of(process: &Process) -> Vec<EndpointStatus> {
    process.endpoints.iter().filter_map(|status| EndpointStatus::deserialize(status).ok()).collect()
}

fn together(statuses: &[EndpointStatus], now: Timestamp) -> Option<EndpointStatus> {
    let severity = |status: &EndpointStatus| match status.verdict {
        Verdict::Refusing => 3,
        Verdict::Silent if statuses.iter().all(|status| status.verdict == Verdict::Silent) => 2,
        Verdict::Attention => 1,
        Verdict::Silent | Verdict::Fine => 0,
    };
    // Of two that are equally severe, the one that received something last knows most.
    let worst = statuses.iter().max_by_key(|status| (severity(status), status.verdict == Verdict::Fine, status.last_received))?;
    let last_received = statuses.iter().filter_map(|status| status.last_received).max();
    let sum = |count: fn(&EndpointStatus) -> u64| statuses.iter().map(count).fold(0, u64::saturating_add);
    let most = |count: fn(&EndpointStatus) -> u32| statuses.iter().map(count).max().unwrap_or(0);
    let mut status = worst.clone();
    status.last_received = last_received;
    status.silent_for = last_received.map(|last| now.since(last));
    status.answers.success = sum(|status| status.answers.success);
    status.answers.client_error = sum(|status| status.answers.client_error);
    status.answers.server_error = sum(|status| status.answers.server_error);
    status.refused_last_day = sum(|status| status.refused_last_day);
    status.quarantined_purchases = statuses.iter().map(|status| status.quarantined_purchases).max().unwrap_or(0);
    status.refused_in_a_row = most(|status| status.refused_in_a_row);
    status.unlisted = most(|status| status.unlisted);
    status.wrong_secrets = most(|status| status.wrong_secrets);
    Some(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_767_355_200_000);

    /// A status with a verdict, the seconds since the last delivery, and a number of refusals.
    fn says(verdict: &str, silent_for: i64, refused: u32) -> EndpointStatus {
        let last = NOW.as_millis() / 1_000 - silent_for;
        let status = format!(
            r#"{{"name":"wert","provider":"wert","verdict":"{verdict}","last_received":{last},"refused_in_a_row":{refused},
                "answers":{{"success":1}},"advice":"{verdict}"}}"#
        );
        serde_json::from_str(&status).unwrap()
    }

    fn agreed(statuses: &[EndpointStatus]) -> (Verdict, Option<String>, u64, u32) {
        let all = together(statuses, NOW).unwrap();
        assert_eq!(all.answers.success, statuses.len() as u64);
        (all.verdict, all.advice, all.silent_for.unwrap().as_secs(), all.refused_in_a_row)
    }

    #[test]
    fn silence_needs_all_receivers_and_a_refusal_one() {
        let (silent, fine) = (|| says("silent", 9_000, 0), || says("fine", 60, 0));
        assert_eq!(agreed(&[silent(), fine()]), (Verdict::Fine, Some("fine".into()), 60, 0));
        assert_eq!(agreed(&[silent(), silent()]), (Verdict::Silent, Some("silent".into()), 9_000, 0));
        let refusing = says("refusing", 300, 4);
        assert_eq!(agreed(&[fine(), refusing, silent()]), (Verdict::Refusing, Some("refusing".into()), 60, 4));
        assert_eq!(agreed(&[fine(), says("attention", 600, 0)]), (Verdict::Attention, Some("attention".into()), 60, 0));
    }
}
