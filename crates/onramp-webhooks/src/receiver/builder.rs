//! The builder of receivers. It refuses settings that cannot keep the guarantees.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::{Receiver, Shared, Strays, ack_deadline};
use crate::body;
use crate::client_ip::ClientIp;
use crate::clock::{Clock, SystemClock};
use crate::inbox::Inbox;
use crate::log_limit::LogLimit;
use crate::provider::{Endpoint, PathSecretError, Providers};
use crate::traffic::Meters;
use crate::watchdog::{Unclaimed, Watched};
use crate::worker::Workers;

/// Builder of a [`Receiver`].
#[derive(Debug)]
pub struct ReceiverBuilder {
    inbox: Arc<dyn Inbox>,
    endpoints: Vec<Endpoint>,
    client_ip: ClientIp,
    body_limit: usize,
    ack_deadline: Duration,
    clock: Arc<dyn Clock>,
}

impl ReceiverBuilder {
    pub(super) fn new(inbox: Arc<dyn Inbox>) -> Self {
        Self {
            inbox,
            endpoints: Vec::new(),
            client_ip: ClientIp::peer_only(),
            body_limit: body::DEFAULT_LIMIT,
            ack_deadline: ack_deadline::DEFAULT,
            clock: Arc::new(SystemClock),
        }
    }

    /// Adds an endpoint.
    #[must_use]
    pub fn endpoint(mut self, endpoint: Endpoint) -> Self {
        self.endpoints.push(endpoint);
        self
    }

    /// Sets how the address of a client is determined, for endpoints with an allow-list. By default, it is the peer of the socket
    /// and no header is read.
    #[must_use]
    pub fn client_ip(mut self, client_ip: ClientIp) -> Self {
        self.client_ip = client_ip;
        self
    }

    /// Sets the limit of a body, in bytes. Default 1 MiB.
    #[must_use]
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes;
        self
    }

    /// Sets the time limit from the head of a request to its reply. Default 4 s. It must be at least 100 ms shorter than the time
    /// that any provider waits for a reply ([`Facts::answer_within`](crate::provider::Facts::answer_within)); Wert waits 5 s.
    #[must_use]
    pub fn ack_deadline(mut self, deadline: Duration) -> Self {
        self.ack_deadline = deadline;
        self
    }

    /// Sets the clock. Default: the machine's clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Builds the receiver.
    ///
    /// # Errors
    /// Returns an error if a setting cannot keep the guarantees: see [`BuildError`].
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
        ack_deadline::check(self.ack_deadline, &self.endpoints)?;
        for endpoint in &self.endpoints {
            if let Some(listen) = endpoint.secrets.development() {
                tracing::warn!(endpoint = &*endpoint.name, %listen, "the endpoint has the public secret for development");
            }
        }
        let mut providers = Providers::default();
        self.endpoints.iter().for_each(|endpoint| providers.add(endpoint.decoder));
        let meters = Meters::default();
        let shared = Arc::new(Shared {
            inbox: self.inbox,
            endpoints: self.endpoints.into_iter().map(|endpoint| Watched::new(endpoint, &meters)).collect(),
            providers,
            client_ip: self.client_ip,
            body_limit: self.body_limit,
            ack_deadline: self.ack_deadline,
            clock: self.clock,
            unclaimed: Unclaimed::default(),
            strays: Strays { log: LogLimit::default(), meter: meters.elsewhere() },
            meters,
            workers: Workers::default(),
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
    endpoint.check_secrets().map_err(|problem| BuildError::Secret { endpoint: name.to_owned(), problem })
}

/// Error returned when building a receiver.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// There is no endpoint.
    #[error("a receiver needs at least one endpoint")]
    NoEndpoint,
    /// The name cannot be a path segment.
    #[error("{0:?} cannot name an endpoint: use letters, digits, '-' and '_'")]
    Name(String),
    /// Two endpoints have the same name.
    #[error("two endpoints are named {0:?}; give one of them another name with Endpoint::named")]
    SameName(String),
    /// A path secret cannot protect the endpoint.
    #[error("endpoint {endpoint:?}: {problem}")]
    Secret {
        /// The name of the endpoint.
        endpoint: String,
        /// The problem.
        problem: PathSecretError,
    },
    /// The body limit is zero.
    #[error("the body limit is zero bytes")]
    BodyLimit,
    /// The ack deadline is zero, or longer than a provider waits.
    #[error("the ack deadline is {deadline:?}; it must be more than zero and at most {longest:?}")]
    AckDeadline {
        /// The deadline that was set.
        deadline: Duration,
        /// The longest deadline for these endpoints.
        longest: Duration,
    },
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
    fn settings_that_cannot_keep_the_guarantees_are_refused() {
        let wert = || Wert::with_path_secret("s3cret-for-examples");
        assert_eq!(build(|b| b).unwrap_err(), BuildError::NoEndpoint);
        assert_eq!(build(|b| b.endpoint(wert().named("a/b"))).unwrap_err(), BuildError::Name("a/b".into()));
        assert_eq!(build(|b| b.endpoint(wert()).endpoint(wert())).unwrap_err(), BuildError::SameName("wert".into()));
        let problem = |endpoint| match build(|b| b.endpoint(endpoint)).unwrap_err() {
            BuildError::Secret { endpoint, problem } if endpoint == "wert" => problem,
            error => panic!("{error}"),
        };
        assert_eq!(problem(Wert::with_path_secret("short")), PathSecretError::Short { length: 5 });
        assert_eq!(problem(Wert::with_path_secrets([""; 0])), PathSecretError::Missing);
        let listen = ([0, 0, 0, 0], 80).into();
        assert_eq!(problem(Wert::for_development(listen)), PathSecretError::Development { listen });
        build(|b| b.endpoint(Wert::for_development(([127, 0, 0, 1], 80).into()))).unwrap();
        assert_eq!(build(|b| b.endpoint(wert()).body_limit(0)).unwrap_err(), BuildError::BodyLimit);
        let late = Duration::from_secs(5);
        let longest = Duration::from_millis(4_900);
        let error = build(|b| b.endpoint(wert()).ack_deadline(late)).unwrap_err();
        assert_eq!(error, BuildError::AckDeadline { deadline: late, longest });
    }

    #[test]
    fn sandbox_and_production_can_be_two_endpoints() {
        let receiver = build(|b| {
            b.endpoint(Wert::with_path_secret("live-s3cret-for-examples"))
                .endpoint(Wert::with_path_secret("sandbox-s3cret-for-examples").named("wert-sandbox"))
                .endpoint(Kriptomat::production())
        })
        .unwrap();
        assert_eq!(receiver.endpoints().collect::<Vec<_>>(), ["wert", "wert-sandbox", "kriptomat"]);
    }
}
