//! What is counted and logged, and under which names: the one place that knows them.
//!
//! | metric | kind | labels |
//! | --- | --- | --- |
//! | `onramp_webhooks_received_total` | counter | `endpoint`, `provider`, `type`, `outcome` |
//! | `onramp_webhooks_ack_seconds` | histogram, seconds from the head of the request to the answer | `endpoint` |
//! | `onramp_webhooks_non_2xx_total` | counter: answers that Wert takes for a failure | `endpoint`, `status` |
//! | `onramp_webhooks_silence_seconds` | gauge, seconds since the last delivery; absent while none is known | `endpoint` |
//! | `onramp_webhooks_may_be_disabled` | gauge: 1 while the [watchdog](crate::watchdog) suspects that the provider stops sending or has, else 0 | `endpoint` |
//! | `onramp_webhooks_attempts_total` | counter | `provider`, `result` |
//! | `onramp_webhooks_checks_total` | counter: events at the checks before a handler | `provider`, `result`: `passed`, `not_yet`, `failed`, `refused` |
//! | `onramp_webhooks_untrusted_postbacks_total` | counter: postbacks that `KnownPurchases` held | `reason`: `unknown`, `different` |
//! | `onramp_webhooks_handler_seconds` | histogram, seconds in the handler | `provider` |
//! | `onramp_webhooks_dead_letters_total` | counter | `provider` |
//! | `onramp_webhooks_leases_lost_total` | counter: attempts whose end was refused because another worker had taken over | |
//! | `onramp_webhooks_chores_total` | counter: runs of what a worker does by the clock | `chore`, `result`: `done`, `failed`, `panicked` or `dropped` |
//! | `onramp_webhooks_backlog_age_seconds` | gauge, age of the oldest delivery that was due at the last claim | |
//! | `onramp_webhooks_allow_list_total` | counter: requests at an allow-list in front of a route | `outcome`: `allowed`, `denied` |
//! | `onramp_webhooks_idempotency_total` | counter: requests at the idempotency middleware | `outcome`: `first`, `replayed`, or why not |
//! | `onramp_webhooks_spilled_total` | counter: deliveries kept in the spill | |
//! | `onramp_webhooks_spill_open` | gauge: 1 while deliveries go to the spill, else 0 | |
//! | `onramp_webhooks_spill_waiting` | gauge: deliveries in the spill that wait for the first inbox | |
//! | `onramp_webhooks_spill_set_aside` | gauge: deliveries in the spill that a person has to look at | |
//! | `onramp_webhooks_spill_moved_total` | counter: deliveries that the first inbox took from the spill | `outcome` |
//! | `onramp_webhooks_spill_set_aside_total` | counter: deliveries that it did not take | |
//!
//! Labels hold no text that a sender chose: event types that are not documented count as `unknown`.

use std::sync::Arc;
use std::time::Duration;

use crate::event::Provider;
use crate::reply::{Outcome, Reply};
use crate::watchdog::EndpointWatch;

/// Counts what came of a request; `endpoint` and `provider` are empty when it was meant for nobody.
pub(crate) fn received(endpoint: &Arc<str>, provider: &'static str, label: &'static str, outcome: &Outcome, reply: &Reply) {
    metrics::counter!(
        "onramp_webhooks_received_total",
        "endpoint" => Arc::clone(endpoint),
        "provider" => provider,
        "type" => label,
        "outcome" => outcome.as_str(),
    )
    .increment(1);
    if !(200..300).contains(&reply.status()) {
        let status = reply.status().to_string();
        metrics::counter!("onramp_webhooks_non_2xx_total", "endpoint" => Arc::clone(endpoint), "status" => status).increment(1);
    }
}

/// Notes how long a request that was let in waited for its answer.
pub(crate) fn answered(endpoint: &Arc<str>, took: Duration) {
    metrics::histogram!("onramp_webhooks_ack_seconds", "endpoint" => Arc::clone(endpoint)).record(took);
}

/// Counts what the checks before a handler said of an event.
pub(crate) fn checked(provider: Provider, result: &'static str) {
    metrics::counter!("onramp_webhooks_checks_total", "provider" => provider.as_str(), "result" => result).increment(1);
}

/// Counts a postback of which nobody knows that its purchase was started.
pub(crate) fn untrusted(reason: &'static str) {
    metrics::counter!("onramp_webhooks_untrusted_postbacks_total", "reason" => reason).increment(1);
}

/// Says how an endpoint stands.
pub(crate) fn watched(watch: &EndpointWatch) {
    let suspected = f64::from(u8::from(watch.verdict.is_alarm()));
    metrics::gauge!("onramp_webhooks_may_be_disabled", "endpoint" => Arc::clone(&watch.name)).set(suspected);
    if let Some(silent) = watch.silent_for {
        metrics::gauge!("onramp_webhooks_silence_seconds", "endpoint" => Arc::clone(&watch.name)).set(silent.as_secs_f64());
    }
}

/// Counts the end of one attempt, and how long it was in the handler, if it came there.
pub(crate) fn attempted(provider: Provider, result: &'static str, took: Option<Duration>) {
    metrics::counter!("onramp_webhooks_attempts_total", "provider" => provider.as_str(), "result" => result).increment(1);
    if let Some(took) = took {
        metrics::histogram!("onramp_webhooks_handler_seconds", "provider" => provider.as_str()).record(took);
    }
    if result == "dead" {
        metrics::counter!("onramp_webhooks_dead_letters_total", "provider" => provider.as_str()).increment(1);
    }
}

/// Counts leases that another worker had taken over.
pub(crate) fn leases_lost(lost: usize) {
    metrics::counter!("onramp_webhooks_leases_lost_total").increment(lost as u64);
}

/// Counts the end of one run of a chore.
pub(crate) fn chore_ended(name: &str, result: &'static str) {
    metrics::counter!("onramp_webhooks_chores_total", "chore" => name.to_owned(), "result" => result).increment(1);
}

/// Says how old the oldest due delivery is.
pub(crate) fn backlog_age(age: Duration) {
    metrics::gauge!("onramp_webhooks_backlog_age_seconds").set(age.as_secs_f64());
}

/// Counts who came to an allow-list in front of a route.
pub(crate) fn judged(allowed: bool) {
    metrics::counter!("onramp_webhooks_allow_list_total", "outcome" => if allowed { "allowed" } else { "denied" }).increment(1);
}

/// Counts what the idempotency middleware did with a request.
pub(crate) fn idempotent(outcome: &'static str) {
    metrics::counter!("onramp_webhooks_idempotency_total", "outcome" => outcome).increment(1);
}

/// Counts a delivery that went to the spill.
pub(crate) fn spilled() {
    metrics::counter!("onramp_webhooks_spilled_total").increment(1);
}

/// Says whether deliveries go to the spill.
pub(crate) fn spill_open(open: bool) {
    metrics::gauge!("onramp_webhooks_spill_open").set(f64::from(u8::from(open)));
}

/// Says how many deliveries are in the spill.
#[expect(clippy::cast_precision_loss, reason = "a gauge is a float, and exact far beyond what a disk holds")]
pub(crate) fn spill_counts(waiting: u64, set_aside: u64) {
    metrics::gauge!("onramp_webhooks_spill_waiting").set(waiting as f64);
    metrics::gauge!("onramp_webhooks_spill_set_aside").set(set_aside as f64);
}

/// Counts a delivery that moved from the spill to the first inbox.
pub(crate) fn moved(outcome: &'static str) {
    metrics::counter!("onramp_webhooks_spill_moved_total", "outcome" => outcome).increment(1);
}

/// Counts a delivery that the first inbox did not take from the spill.
pub(crate) fn set_aside() {
    metrics::counter!("onramp_webhooks_spill_set_aside_total").increment(1);
}
