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
//!
//! Labels hold no text that a sender chose: event types that are not documented count as `unknown`.

use std::time::Duration;

use tokio::time::Instant;

use crate::event::Provider;
use crate::receiver::{Endpoint, Refusal};
use crate::reply::{Outcome, Reply};

/// Counts a request that was let in, and turns its outcome into the answer.
pub(crate) fn received(endpoint: &Endpoint, label: Option<&'static str>, outcome: &Outcome, begun: Instant) -> Reply {
    let reply = outcome.reply(endpoint.provider.acknowledgement());
    metrics::counter!(
        "onramp_webhooks_received_total",
        "endpoint" => endpoint.name.clone(),
        "provider" => endpoint.provider.as_str(),
        "type" => label.unwrap_or("unknown"),
        "outcome" => outcome.as_str(),
    )
    .increment(1);
    metrics::histogram!("onramp_webhooks_ack_seconds", "endpoint" => endpoint.name.clone()).record(begun.elapsed());
    count_status(&endpoint.name, &reply);
    reply
}

/// Counts and logs a request that was not let in, and answers it.
pub(crate) fn refused(refusal: &Refusal) -> Reply {
    let reply = refusal.outcome.reply(refusal.acknowledgement());
    let endpoint = refusal.endpoint.as_ref().map_or("", |endpoint| &*endpoint.name).to_owned();
    let provider = refusal.endpoint.as_ref().map_or("", |endpoint| endpoint.provider.as_str());
    match refusal.outcome {
        Outcome::Denied => tracing::warn!(endpoint, why = %refusal.why, "denied"),
        _ => tracing::info!(endpoint, why = %refusal.why, "refused"),
    }
    metrics::counter!(
        "onramp_webhooks_received_total",
        "endpoint" => endpoint.clone(),
        "provider" => provider,
        "type" => "unknown",
        "outcome" => refusal.outcome.as_str(),
    )
    .increment(1);
    count_status(&endpoint.into(), &reply);
    reply
}

fn count_status(endpoint: &std::sync::Arc<str>, reply: &Reply) {
    if !(200..300).contains(&reply.status()) {
        metrics::counter!("onramp_webhooks_non_2xx_total", "endpoint" => endpoint.clone(), "status" => reply.status().to_string())
            .increment(1);
    }
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
