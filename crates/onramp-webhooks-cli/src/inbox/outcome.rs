//! The outcome of a replay: waits until the worker of the shop has handled a delivery, or failed again.

use std::sync::Arc;
use std::time::Duration;

use onramp_webhooks::clock::{Clock, SystemClock};
use onramp_webhooks::inbox::{DeliveryId, Record, ReplayScope, Replayed, State, replay};
use onramp_webhooks::provider::Providers;
use onramp_webhooks::{Inbox, StoreErrorKind};
use tokio::time::{Instant, sleep, timeout};

use super::reading::{failed, head};
use super::selection::Chosen;
use crate::exit::{Causes, CliError};

/// Pause between two looks at a delivery, which a worker of another process settles.
const PAUSE: Duration = Duration::from_millis(100);

/// The result of the replay of one delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Handled after this time.
    Handled(Duration),
    /// Made due, without waiting for the result.
    Due,
    /// The attempt failed: the delivery is in this state again.
    FailedAgain(State),
    /// The quarantined delivery cannot be read by this version either.
    StillUnreadable(String),
    /// The quarantined delivery repeats this one, and was removed.
    Duplicate(DeliveryId),
    /// The quarantined delivery contradicts this one.
    Conflict(DeliveryId),
    /// Its state has changed since it was selected.
    Changed,
    /// Not replayed, with the reason.
    Refused(String),
    /// Not replayed, because its handler may have succeeded.
    UnknownResult,
    /// Made due, and a worker has not settled it in time.
    Leased,
    /// Made due, and no worker has taken it in time.
    NotTaken,
}

impl Outcome {
    /// Returns the word in JSON.
    pub(super) const fn word(&self) -> &'static str {
        match self {
            Self::Handled(_) => "handled",
            Self::Due => "due",
            Self::FailedAgain(_) => "failed",
            Self::StillUnreadable(_) => "unreadable",
            Self::Duplicate(_) => "duplicate",
            Self::Conflict(_) => "conflict",
            Self::Changed => "changed",
            Self::Refused(_) => "refused",
            Self::UnknownResult => "unknown_result",
            Self::Leased => "leased",
            Self::NotTaken => "not_taken",
        }
    }

    /// Returns whether the delivery needs attention as before.
    pub(super) const fn is_failure(&self) -> bool {
        matches!(self, Self::FailedAgain(_) | Self::StillUnreadable(_) | Self::Conflict(_) | Self::Leased | Self::NotTaken)
    }
}

/// A replay of any number of deliveries.
#[derive(Clone)]
pub(super) struct Replaying {
    pub(super) inbox: Arc<dyn Inbox>,
    pub(super) scope: ReplayScope,
    /// The time to wait for the worker of the shop; `None` to wait for nothing.
    pub(super) wait: Option<Duration>,
}

impl Replaying {
    /// Replays one delivery, if it is still as it was seen.
    pub(super) async fn replay(&self, record: &Record) -> Result<Outcome, CliError> {
        if !Chosen::is_unchanged(&*self.inbox, record).await? {
            return Ok(Outcome::Changed);
        }
        if record.has_unknown_result() && self.scope != ReplayScope::EvenHandled {
            return Ok(Outcome::UnknownResult);
        }
        let begun = Instant::now();
        let (providers, now) = (Providers::default(), SystemClock::default().now());
        let replayed = replay(&*self.inbox, &providers, record.id, self.scope, now);
        match replayed.await {
            Ok(Replayed::Due) => {}
            Ok(Replayed::Duplicate { first }) => return Ok(Outcome::Duplicate(first)),
            Ok(Replayed::Conflict { first }) => return Ok(Outcome::Conflict(first)),
            Ok(Replayed::StillUnreadable { reason }) => return Ok(Outcome::StillUnreadable(reason)),
            Ok(other) => return Ok(Outcome::Refused(format!("{other:?} is not known to this version"))),
            Err(error) if error.kind() == StoreErrorKind::Refused => {
                // Another operator may have replayed it since it was looked at.
                return Ok(match Chosen::is_unchanged(&*self.inbox, record).await? {
                    true => Outcome::Refused(Causes(&error).to_string()),
                    false => Outcome::Changed,
                });
            }
            Err(error) => return Err(failed(error)),
        }
        let Some(wait) = self.wait else { return Ok(Outcome::Due) };
        let state = match timeout(wait, self.settled(record.id)).await {
            Ok(state) => state?,
            Err(_) => head(&*self.inbox, record.id).await.map_err(failed)?.map(|now| now.state),
        };
        Ok(match state {
            Some(State::Handled) => Outcome::Handled(begun.elapsed()),
            Some(State::Leased) => Outcome::Leased,
            Some(State::Pending) => Outcome::NotTaken,
            Some(state) => Outcome::FailedAgain(state),
            None => Outcome::Changed,
        })
    }

    /// Waits until a worker has settled a delivery. Returns `None` if it is not kept any more.
    async fn settled(&self, id: DeliveryId) -> Result<Option<State>, CliError> {
        loop {
            match head(&*self.inbox, id).await.map_err(failed)? {
                Some(record) if matches!(record.state, State::Pending | State::Leased) => sleep(PAUSE).await,
                found => return Ok(found.map(|record| record.state)),
            }
        }
    }
}
