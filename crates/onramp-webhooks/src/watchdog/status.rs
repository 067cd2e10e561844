//! Status of endpoints, for operators and monitors.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::ser::{SerializeStruct, Serializer};
use serde::{Deserialize, Deserializer, Serialize};

use super::Counters;
use super::advice::advice;
use crate::clock::Timestamp;
use crate::provider::{Endpoint, ProviderName};

/// The verdict on an endpoint. The [module docs](crate::watchdog) have the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verdict {
    /// No alarm.
    Fine,
    /// The provider's requests are being refused, so it may stop sending.
    Refusing,
    /// No delivery arrives: the provider may have stopped sending.
    Silent,
    /// Purchases are in quarantine, because their bodies cannot be read.
    Attention,
}

impl Verdict {
    /// Returns the name, as in logs and health checks.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Refusing => "refusing",
            Self::Silent => "silent",
            Self::Attention => "attention",
        }
    }

    /// Returns whether an operator has to act: `true` for all but `Fine`.
    #[must_use]
    pub const fn is_alarm(self) -> bool {
        !matches!(self, Self::Fine)
    }

    /// Returns whether the provider may have stopped sending, or may stop: `true` for `Refusing` and `Silent`.
    pub(super) const fn may_be_disabled(self) -> bool {
        matches!(self, Self::Refusing | Self::Silent)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The number of replies of one endpoint since its receiver was built, including replies to strangers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Answers {
    /// Replies with status 2xx: received.
    pub success: u64,
    /// Replies with status 4xx: errors of the sender.
    pub client_error: u64,
    /// Replies with status 5xx: errors of the receiver.
    pub server_error: u64,
}

/// The status of one endpoint.
///
/// Serialises to an object with the names of the fields. Times are seconds; `last_received` counts them from the Unix epoch. A verdict of
/// another version is read as `Fine`, with its advice.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndpointStatus {
    /// The endpoint's name.
    pub name: Arc<str>,
    /// Its provider.
    pub provider: ProviderName,
    /// The verdict.
    pub verdict: Verdict,
    /// The time of the last recorded delivery; `None` if none is known.
    pub last_received: Option<Timestamp>,
    /// The time since [`last_received`](Self::last_received).
    pub silent_for: Option<Duration>,
    /// The duration of silence that raises an alarm; `None` if silence raises no alarm.
    pub silent_after: Option<Duration>,
    /// The number of replies since the receiver was built.
    pub answers: Answers,
    /// The number of purchases in quarantine, because their bodies cannot be read. Counts up to 1 000, is read from the inbox every
    /// ten minutes, and includes those that were recorded meanwhile.
    pub quarantined_purchases: u64,
    /// The number of refusals that the provider has received since its last success.
    pub refused_in_a_row: u32,
    /// The number of refusals that the provider has received in the current hour and the 23 hours before it.
    pub refused_last_day: u64,
    /// The number of requests from unlisted addresses since the last delivery, at an endpoint without a secret.
    pub unlisted: u32,
    /// The number of requests with a wrong secret since the last delivery.
    pub wrong_secrets: u32,
    /// Advice for the operator, with the page where sending is switched on again; `None` if there is nothing to do.
    pub advice: Option<String>,
}

impl EndpointStatus {
    pub(super) fn new(endpoint: &Endpoint, counters: &Counters, now: Timestamp) -> Self {
        let refusals = &endpoint.facts().refusals;
        let mut status = Self {
            name: Arc::clone(&endpoint.name),
            provider: endpoint.facts().name(),
            verdict: counters.verdict(now, refusals.alarm_after, endpoint.silent_after),
            last_received: counters.last_received(),
            silent_for: counters.silent_for(now),
            silent_after: endpoint.silent_after,
            answers: counters.answers(),
            quarantined_purchases: counters.quarantined_purchases(),
            refused_in_a_row: counters.refused_in_a_row(),
            refused_last_day: counters.refused_last_day(now),
            unlisted: counters.unlisted(),
            wrong_secrets: counters.guesses(),
            advice: None,
        };
        status.advice = advice(&status, refusals);
        status
    }
}

impl fmt::Display for EndpointStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.verdict)?;
        match &self.advice {
            Some(advice) => write!(f, ": {advice}"),
            None => Ok(()),
        }
    }
}

impl Serialize for EndpointStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let seconds = |time: Option<Duration>| time.map(|time| time.as_secs());
        let mut object = serializer.serialize_struct("EndpointStatus", 13)?;
        object.serialize_field("name", &*self.name)?;
        object.serialize_field("provider", self.provider.as_str())?;
        object.serialize_field("verdict", self.verdict.as_str())?;
        object.serialize_field("last_received", &self.last_received.map(|last| last.as_millis().div_euclid(1_000)))?;
        object.serialize_field("silent_for", &seconds(self.silent_for))?;
        object.serialize_field("silent_after", &seconds(self.silent_after))?;
        object.serialize_field("answers", &self.answers)?;
        object.serialize_field("quarantined_purchases", &self.quarantined_purchases)?;
        object.serialize_field("refused_in_a_row", &self.refused_in_a_row)?;
        object.serialize_field("refused_last_day", &self.refused_last_day)?;
        object.serialize_field("unlisted", &self.unlisted)?;
        object.serialize_field("wrong_secrets", &self.wrong_secrets)?;
        object.serialize_field("advice", &self.advice)?;
        object.end()
    }
}

/// The serialised form.
#[derive(Deserialize)]
struct Stored {
    name: String,
    provider: String,
    verdict: String,
    last_received: Option<i64>,
    silent_for: Option<u64>,
    silent_after: Option<u64>,
    #[serde(default)]
    answers: Answers,
    #[serde(default)]
    quarantined_purchases: u64,
    #[serde(default)]
    refused_in_a_row: u32,
    #[serde(default)]
    refused_last_day: u64,
    #[serde(default)]
    unlisted: u32,
    #[serde(default)]
    wrong_secrets: u32,
    advice: Option<String>,
}

impl<'de> Deserialize<'de> for EndpointStatus {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stored = Stored::deserialize(deserializer)?;
        let verdicts = [Verdict::Refusing, Verdict::Silent, Verdict::Attention];
        Ok(Self {
            name: stored.name.into(),
            provider: ProviderName::from(stored.provider),
            verdict: verdicts.into_iter().find(|verdict| verdict.as_str() == stored.verdict).unwrap_or(Verdict::Fine),
            last_received: stored.last_received.map(|seconds| Timestamp::from_millis(seconds.saturating_mul(1_000))),
            silent_for: stored.silent_for.map(Duration::from_secs),
            silent_after: stored.silent_after.map(Duration::from_secs),
            answers: stored.answers,
            quarantined_purchases: stored.quarantined_purchases,
            refused_in_a_row: stored.refused_in_a_row,
            refused_last_day: stored.refused_last_day,
            unlisted: stored.unlisted,
            wrong_secrets: stored.wrong_secrets,
            advice: stored.advice,
        })
    }
}
