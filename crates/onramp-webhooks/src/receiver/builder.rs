//! Putting a receiver together, and refusing what cannot keep the promises.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::read::SHORTEST_RETRY_HORIZON;
use super::watchdog::Tally;
use super::{Endpoint, Receiver, Shared};
use crate::body;
use crate::client_ip::ClientIp;
use crate::clock::{Clock, SystemClock};
use crate::inbox::{Inbox, Retention};

/// Wert's documentation gives a receiver five seconds; later than this an acknowledgement cannot be sure to arrive in time.
pub(crate) const LONGEST_ACK_DEADLINE: Duration = Duration::from_millis(4_900);

/// Puts a [`Receiver`] together.
#[derive(Debug)]
pub struct ReceiverBuilder {
    inbox: Arc<dyn Inbox>,
    endpoints: Vec<Endpoint>,
    client_ip: ClientIp,
    body_limit: usize,
    ack_deadline: Duration,
    retention: Option<Retention>,
    clock: Arc<dyn Clock>,
}

impl ReceiverBuilder {
    pub(super) fn new(inbox: Arc<dyn Inbox>) -> Self {
        Self {
            inbox,
            endpoints: Vec::new(),
            client_ip: ClientIp::peer_only(),
            body_limit: body::DEFAULT_LIMIT,
            ack_deadline: Duration::from_secs(4),
            retention: Some(Retention::new(Duration::from_secs(30 * 24 * 3_600))),
            clock: Arc::new(SystemClock),
        }
    }

    /// Adds a way in.
    #[must_use]
    pub fn endpoint(mut self, endpoint: Endpoint) -> Self {
        self.endpoints.push(endpoint);
        self
    }

    /// How to tell who a client is, for endpoints with an allow-list. Default: the socket's peer, and no header.
    #[must_use]
    pub fn client_ip(mut self, client_ip: ClientIp) -> Self {
        self.client_ip = client_ip;
        self
    }

    /// The largest body that is read, in bytes. Default 1 MiB.
    #[must_use]
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes;
        self
    }

    /// The time from the head of a request to its answer. Default 4 s, at most 4.9 s: Wert's documentation counts an answer after
    /// 5 s as none.
    #[must_use]
    pub fn ack_deadline(mut self, deadline: Duration) -> Self {
        self.ack_deadline = deadline;
        self
    }

    /// How long the bodies of handled deliveries stay; `None`: for ever. Their keys stay as long as they count. Default 30 days, at
    /// least every endpoint's retry horizon.
    #[must_use]
    pub fn retention(mut self, retention: Option<Retention>) -> Self {
        self.retention = retention;
        self
    }

    /// Where the time comes from. Default: the machine's clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The receiver.
    ///
    /// # Errors
    /// Says what could not keep the promises: see [`BuildError`].
    pub fn build(self) -> Result<Receiver, BuildError> {
        if self.endpoints.is_empty() {
            return Err(BuildError::NoEndpoint);
        }
        for (at, endpoint) in self.endpoints.iter().enumerate() {
            check(endpoint)?;
            if self.endpoints.iter().take(at).any(|earlier| earlier.name == endpoint.name) {
                return Err(BuildError::SameName(endpoint.name.to_string()));
            }
        }
        if self.body_limit == 0 {
            return Err(BuildError::BodyLimit);
        }
        if self.ack_deadline.is_zero() || self.ack_deadline > LONGEST_ACK_DEADLINE {
            return Err(BuildError::AckDeadline(self.ack_deadline));
        }
        let horizon = self.endpoints.iter().map(|endpoint| endpoint.retry_horizon).max().unwrap_or_default();
        if let Some(retention) = self.retention.filter(|retention| retention.handled < horizon) {
            return Err(BuildError::Retention { retention: retention.handled, horizon });
        }
        // An endpoint that was cloned into two receivers is counted in each.
        let own = |endpoint| Arc::new(Endpoint { tally: Arc::new(Tally::default()), ..endpoint });
        let shared = Arc::new(Shared {
            inbox: self.inbox,
            endpoints: self.endpoints.into_iter().map(own).collect(),
            client_ip: self.client_ip,
            body_limit: self.body_limit,
            ack_deadline: self.ack_deadline,
            retention: self.retention,
            clock: self.clock,
            watchdog: OnceLock::new(),
        });
        shared.watch();
        Ok(Receiver { shared })
    }
}

fn check(endpoint: &Endpoint) -> Result<(), BuildError> {
    let name = &*endpoint.name;
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
        return Err(BuildError::Name(name.to_owned()));
    }
    if endpoint.secrets.iter().any(String::is_empty) {
        return Err(BuildError::EmptySecret(name.to_owned()));
    }
    if endpoint.retry_horizon < SHORTEST_RETRY_HORIZON {
        return Err(BuildError::RetryHorizon(endpoint.retry_horizon));
    }
    Ok(())
}

/// Why a receiver cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Nobody could send anything.
    #[error("a receiver needs at least one endpoint")]
    NoEndpoint,
    /// A name that is no path segment.
    #[error("{0:?} cannot name an endpoint: use letters, digits, '-' and '_'")]
    Name(String),
    /// Two endpoints of one name.
    #[error("two endpoints are named {0:?}; give one of them another name with Endpoint::named")]
    SameName(String),
    /// A secret of no characters.
    #[error("the path secret of endpoint {0:?} is empty")]
    EmptySecret(String),
    /// A body limit of zero.
    #[error("the body limit is zero bytes")]
    BodyLimit,
    /// An ack deadline that Wert would not wait for.
    #[error("the ack deadline is {0:?}; it has to be more than zero and at most {LONGEST_ACK_DEADLINE:?}")]
    AckDeadline(Duration),
    /// Deliveries that go before the provider's last retry.
    #[error("handled deliveries would be kept for {retention:?}, which is less than the retry horizon of {horizon:?}")]
    Retention {
        /// What was asked for.
        retention: Duration,
        /// The longest retry horizon of the endpoints.
        horizon: Duration,
    },
    /// Keys that end before the provider's last retry.
    #[error("the retry horizon is {0:?}; a provider retries for {SHORTEST_RETRY_HORIZON:?}")]
    RetryHorizon(Duration),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inbox::MemoryInbox;
    use crate::{Kriptomat, Wert};

    fn build(change: impl FnOnce(ReceiverBuilder) -> ReceiverBuilder) -> Result<Receiver, BuildError> {
        change(Receiver::builder(MemoryInbox::new())).build()
    }

    #[test]
    fn what_cannot_keep_the_promises_is_refused() {
        let wert = || Wert::with_path_secret("s3cret");
        assert_eq!(build(|b| b).unwrap_err(), BuildError::NoEndpoint);
        assert_eq!(build(|b| b.endpoint(wert().named("a/b"))).unwrap_err(), BuildError::Name("a/b".into()));
        assert_eq!(build(|b| b.endpoint(wert()).endpoint(wert())).unwrap_err(), BuildError::SameName("wert".into()));
        assert_eq!(build(|b| b.endpoint(Wert::with_path_secret(""))).unwrap_err(), BuildError::EmptySecret("wert".into()));
        assert_eq!(build(|b| b.endpoint(wert()).body_limit(0)).unwrap_err(), BuildError::BodyLimit);
        let late = Duration::from_secs(5);
        assert_eq!(build(|b| b.endpoint(wert()).ack_deadline(late)).unwrap_err(), BuildError::AckDeadline(late));
        let short = Duration::from_secs(15 * 3_600);
        assert_eq!(build(|b| b.endpoint(wert().retry_horizon(short))).unwrap_err(), BuildError::RetryHorizon(short));
        let horizon = Duration::from_secs(16 * 3_600);
        assert_eq!(
            build(|b| b.endpoint(wert()).retention(Some(Retention::new(short)))).unwrap_err(),
            BuildError::Retention { retention: short, horizon }
        );
    }

    #[test]
    fn sandbox_and_production_live_side_by_side() {
        let receiver = build(|b| {
            b.endpoint(Wert::with_path_secret("live"))
                .endpoint(Wert::with_path_secret("sandbox").named("wert-sandbox"))
                .endpoint(Kriptomat::production())
        })
        .unwrap();
        assert_eq!(receiver.endpoints().collect::<Vec<_>>(), ["wert", "wert-sandbox", "kriptomat"]);
    }
}
