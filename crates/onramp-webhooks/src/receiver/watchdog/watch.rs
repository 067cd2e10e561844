//! How an endpoint stands, for people and machines.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use super::advice::advice;
use super::tally::Tally;
use crate::clock::Timestamp;
use crate::event::Provider;

/// How an endpoint stands; what the words mean is told in the [module](crate::watchdog).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verdict {
    /// Nothing is wrong.
    Fine,
    /// Nothing is wrong as far as anybody knows: what is usual here is not known yet.
    Learning,
    /// The provider is being refused, and may stop sending.
    Refusing,
    /// Nothing comes any more: the provider may have stopped sending.
    Silent,
}

impl Verdict {
    /// The word for it, as in logs and health checks.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Learning => "learning",
            Self::Refusing => "refusing",
            Self::Silent => "silent",
        }
    }

    /// Whether a person has to look: refusing or silent.
    #[must_use]
    pub const fn is_alarm(self) -> bool {
        matches!(self, Self::Refusing | Self::Silent)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Answers of one endpoint since this receiver was built, strangers' included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Answers {
    /// Received: 2xx.
    pub success: u64,
    /// The sender's fault: 4xx.
    pub client_error: u64,
    /// Ours: 5xx.
    pub server_error: u64,
}

/// How one endpoint stands.
///
/// Serialises to an object with the fields' names; times are seconds, and `last_received` counts them from the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndpointWatch {
    /// The endpoint's name.
    pub name: Arc<str>,
    /// Its provider.
    pub provider: Provider,
    /// How it stands.
    pub verdict: Verdict,
    /// When the last delivery was recorded; `None`: none is known.
    pub last_received: Option<Timestamp>,
    /// Time since then.
    pub silent_for: Option<Duration>,
    /// Silence that is longer is an alarm; `None` while nobody knows what is usual.
    pub silent_after: Option<Duration>,
    /// Answers since this receiver was built.
    pub answers: Answers,
    /// Failures that the provider has seen since its last success.
    pub refused_in_a_row: u32,
    /// Failures that the provider has seen in the last 24 hours, by the clock's hours.
    pub refused_last_day: u64,
    /// Requests since the last delivery from addresses that are not on the list, where no secret says whose they are.
    pub unlisted: u32,
    /// Requests since the last delivery with a wrong secret.
    pub wrong_secrets: u32,
    /// What to do, with the page where the provider's sending is switched on again; `None`: nothing.
    pub advice: Option<String>,
}

impl EndpointWatch {
    pub(in crate::receiver) fn of(name: &Arc<str>, provider: Provider, tally: &Tally, now: Timestamp) -> Self {
        let stopping = provider.stopping();
        let mut watch = Self {
            name: Arc::clone(name),
            provider,
            verdict: tally.verdict(now, stopping.failures),
            last_received: tally.rhythm.last(),
            silent_for: tally.silent_for(now),
            silent_after: tally.silent_after(now),
            answers: tally.answers(),
            refused_in_a_row: tally.refused_in_a_row(),
            refused_last_day: tally.refused_last_day(now),
            unlisted: tally.unlisted(),
            wrong_secrets: tally.guesses(),
            advice: None,
        };
        watch.advice = advice(&watch, stopping);
        watch
    }
}

impl fmt::Display for EndpointWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.verdict)?;
        match &self.advice {
            Some(advice) => write!(f, ": {advice}"),
            None => Ok(()),
        }
    }
}

impl Serialize for EndpointWatch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let seconds = |time: Option<Duration>| time.map(|time| time.as_secs());
        let mut object = serializer.serialize_struct("EndpointWatch", 12)?;
        object.serialize_field("name", &*self.name)?;
        object.serialize_field("provider", self.provider.as_str())?;
        object.serialize_field("verdict", self.verdict.as_str())?;
        object.serialize_field("last_received", &self.last_received.map(|last| last.as_millis().div_euclid(1_000)))?;
        object.serialize_field("silent_for", &seconds(self.silent_for))?;
        object.serialize_field("silent_after", &seconds(self.silent_after))?;
        object.serialize_field("answers", &self.answers)?;
        object.serialize_field("refused_in_a_row", &self.refused_in_a_row)?;
        object.serialize_field("refused_last_day", &self.refused_last_day)?;
        object.serialize_field("unlisted", &self.unlisted)?;
        object.serialize_field("wrong_secrets", &self.wrong_secrets)?;
        object.serialize_field("advice", &self.advice)?;
        object.end()
    }
}
