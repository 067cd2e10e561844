//! How the receiver is, for who operates it.

use std::time::Duration;

use super::Receiver;
use super::watchdog::EndpointWatch;
use crate::reply::Reply;

/// A health check that takes longer than this says what there is to say.
const LONGEST_CHECK: Duration = Duration::from_secs(3);

impl Receiver {
    /// How every endpoint stands, in the order in which they were added: whether its provider is being refused, or has gone silent. See
    /// [`watchdog`](crate::watchdog).
    #[must_use]
    pub fn watch(&self) -> Vec<EndpointWatch> {
        let now = self.shared.clock.now();
        self.shared.endpoints.iter().map(|endpoint| endpoint.watch(now)).collect()
    }

    /// The answer to a health check, within three seconds: 200 while the inbox can take deliveries, else 503, with
    /// `{"healthy":..,"endpoints":[..]}`. The endpoints are those of [`watch`](Self::watch), and none of them makes it a 503: a
    /// process that is taken away because its provider is silent gets nothing any more.
    ///
    /// It tells how much an endpoint receives and what is wrong with it, and neither secrets nor paths. Let the public see the status
    /// alone.
    pub async fn health(&self) -> Reply {
        let reason = match tokio::time::timeout(LONGEST_CHECK, self.shared.inbox.check()).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("the inbox does not answer".to_owned()),
        };
        if let Some(reason) = &reason {
            tracing::warn!(reason, "unhealthy");
        }
        Reply::health(reason.is_none(), &self.watch())
    }
}
