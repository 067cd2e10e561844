//! What is counted and logged, and under which names: the one place that knows them.
//!
//! | metric | kind | labels |
//! | --- | --- | --- |
//! | `onramp_webhooks_received_total` | counter | `endpoint`, `provider`, `type`, `outcome` |
//! | `onramp_webhooks_ack_seconds` | histogram, seconds from the head of the request to the answer | `endpoint` |
//! | `onramp_webhooks_non_2xx_total` | counter: answers that Wert takes for a failure | `endpoint`, `status` |
//! | `onramp_webhooks_attempts_total` | counter | `provider`, `result` |
//! | `onramp_webhooks_handler_seconds` | histogram, seconds in the handler | `provider` |
//! | `onramp_webhooks_dead_letters_total` | counter | `provider` |
//! | `onramp_webhooks_leases_lost_total` | counter: attempts whose end was refused because another worker had taken over | |
//! | `onramp_webhooks_backlog_age_seconds` | gauge, age of the oldest delivery that was due at the last claim | |
//! | `onramp_webhooks_allow_list_total` | counter: requests at an allow-list in front of a route | `outcome`: `allowed`, `denied` |
//! | `onramp_webhooks_idempotency_total` | counter: requests at the idempotency middleware | `outcome`: `first`, `replayed`, or why not |
//!
//! Labels hold no text that a sender chose: event types that are not documented count as `unknown`.

use std::sync::Arc;
use std::time::Duration;

use crate::event::Provider;
use crate::reply::{Outcome, Reply};

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

/// Counts the end of one attempt.
pub(crate) fn attempted(provider: Provider, result: &'static str, took: Duration) {
    metrics::counter!("onramp_webhooks_attempts_total", "provider" => provider.as_str(), "result" => result).increment(1);
    metrics::histogram!("onramp_webhooks_handler_seconds", "provider" => provider.as_str()).record(took);
    if result == "dead" {
        metrics::counter!("onramp_webhooks_dead_letters_total", "provider" => provider.as_str()).increment(1);
    }
}

/// Counts leases that another worker had taken over.
pub(crate) fn leases_lost(lost: usize) {
    metrics::counter!("onramp_webhooks_leases_lost_total").increment(lost as u64);
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
