//! The connection to one provider, with retries.

use std::fmt;
use std::time::Duration;

use onramp_webhooks::clock::Clock;
use onramp_webhooks::worker::RetryPolicy;
use reqwest::redirect;
use tokio::time::Instant;

use super::Call;
use super::base_url::BaseUrl;
use super::builder::Limits;
use crate::error::{ClientError, ClientErrorKind};
use crate::secret::Secret;

const OPERATION: &str = "setting up the client";

/// Idle connections are closed earlier than most servers close them.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// A connection pool for one provider's API. Cheap to clone.
#[derive(Clone)]
pub struct Connection {
    pub(super) http: reqwest::Client,
    pub(super) base: BaseUrl,
    pub(super) secret: Secret,
    pub(super) limits: Limits,
}

impl Connection {
    pub(super) fn new(base: String, secret: Secret, limits: Limits) -> Result<Self, ClientError> {
        let invalid = || ClientError::new(ClientErrorKind::Invalid, OPERATION);
        let base = BaseUrl::parse(&base).map_err(|reason| invalid().with_detail(reason))?;
        if secret.expose().trim().is_empty() {
            return Err(invalid().with_detail("the key or token is empty"));
        }
        let builder = reqwest::Client::builder()
            .https_only(base.is_encrypted())
            .http1_only()
            .redirect(redirect::Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            .user_agent(concat!("onramp-webhooks-client/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(limits.connect_timeout)
            .pool_idle_timeout(IDLE_TIMEOUT);
        let builder = if base.is_encrypted() { builder } else { loopback_only(builder) };
        let http = builder.build().map_err(|error| invalid().with_source(error.without_url()))?;
        Ok(Self { http, base, secret, limits })
    }

    pub(crate) fn without_retries(&self) -> Self {
        let retry = RetryPolicy::new(1, Duration::ZERO, Duration::ZERO);
        Self { limits: Limits { retry, ..self.limits.clone() }, ..self.clone() }
    }

    /// Returns `true` if `other` has the same base URL and the same secret.
    pub(crate) fn has_same_account(&self, other: &Self) -> bool {
        self.base == other.base && self.secret.expose() == other.secret.expose()
    }

    /// Returns `true` if the base URL has the origin of `url`.
    pub(crate) fn is_at(&self, url: &str) -> bool {
        BaseUrl::parse(url).is_ok_and(|other| self.base.has_origin_of(&other))
    }

    pub(crate) fn secret(&self) -> &Secret {
        &self.secret
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.limits.clock
    }

    /// Sends a call, with retries, and returns the successful response as parsed by `parse`. If it is cancelled, the provider may
    /// have received the call.
    pub(crate) async fn send<T>(&self, call: &Call, parse: impl Fn(&[u8]) -> Result<T, ClientError>) -> Result<T, ClientError> {
        let end = Instant::now() + self.limits.deadline.min(FAR);
        let mut attempt = 1;
        loop {
            let timeout = self.limits.attempt_timeout.min(end.saturating_duration_since(Instant::now()));
            let body = self.attempt(call, timeout).await;
            let error = match body.and_then(|body| parse(&body).map_err(|error| self.with_excerpt(error, &body))) {
                Ok(parsed) => return Ok(parsed),
                Err(error) => error,
            };
            let pause = pause(&self.limits.retry, call.is_idempotent(), &error, attempt, fastrand::f64());
            let Some(pause) = pause.filter(|pause| *pause < end.saturating_duration_since(Instant::now())) else {
                return Err(error);
            };
            tracing::debug!(%error, attempt, ?pause, "retrying");
            self.sleep(pause, end).await;
            attempt += 1;
        }
    }

    /// Sleeps for `pause`, but not beyond `end`, even if the clock jumps.
    async fn sleep(&self, pause: Duration, end: Instant) {
        let clock = &self.limits.clock;
        let _ = tokio::time::timeout_at(end, clock.sleep_until(clock.now().after(pause))).await;
    }
}

/// The longest deadline, which keeps `Instant` from overflowing.
const FAR: Duration = Duration::from_secs(365 * 24 * 3_600);

/// Disables proxies, because they could read plain HTTP, and does not load certificates, because a minimal container may have none.
fn loopback_only(builder: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
    let builder = builder.no_proxy();
    #[cfg(any(feature = "rustls", feature = "rustls-no-provider"))]
    let builder = builder.tls_certs_only([]);
    builder
}

/// Returns the pause before the next attempt, or `None` if there is no next attempt. The pause is the provider's `retry-after` plus
/// a random part, so that clients do not retry all at the same time. `random` is between 0 and 1.
fn pause(policy: &RetryPolicy, is_idempotent: bool, error: &ClientError, attempt: u32, random: f64) -> Option<Duration> {
    let can_retry = if is_idempotent { error.is_transient() } else { error.kind() == ClientErrorKind::Unreachable };
    let pause = policy.pause(attempt, random).filter(|_| can_retry)?;
    Some(error.retry_after().unwrap_or_default().saturating_add(pause))
}

/// Leaves out the key, and the path of the base URL.
impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("base", &self.base).field("limits", &self.limits).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(kind: ClientErrorKind, retry_after: Option<u64>) -> ClientError {
        ClientError::new(kind, "testing").with_status(0, retry_after.map(Duration::from_secs))
    }

    #[test]
    fn a_call_that_is_not_idempotent_is_retried_only_if_nothing_was_sent() {
        use ClientErrorKind::{
            Interrupted, NotJson, ProviderFailed, RateLimited, Redirected, Refused, TimedOut, TooLarge, Unauthorized,
            Unreachable, Unreadable,
        };
        let policy = RetryPolicy::new(2, Duration::from_secs(1), Duration::from_secs(1));
        for (kind, idempotent, other) in [
            (Unreachable, true, true),
            (Interrupted, true, false),
            (TimedOut, true, false),
            (RateLimited, true, false),
            (ProviderFailed, true, false),
            (NotJson, true, false),
            (Unauthorized, false, false),
            (Redirected, false, false),
            (Refused, false, false),
            (TooLarge, false, false),
            (Unreadable, false, false),
        ] {
            assert_eq!(pause(&policy, true, &error(kind, None), 1, 0.5).is_some(), idempotent, "{kind:?}");
            assert_eq!(pause(&policy, false, &error(kind, None), 1, 0.5).is_some(), other, "{kind:?}");
            assert_eq!(pause(&policy, true, &error(kind, None), 2, 0.5), None);
        }
    }

    #[test]
    fn the_pause_is_the_retry_after_and_a_random_part() {
        let policy = RetryPolicy::new(9, Duration::from_secs(1), Duration::from_secs(3));
        let pause = |retry_after, attempt, random| {
            pause(&policy, true, &error(ClientErrorKind::RateLimited, retry_after), attempt, random).unwrap().as_millis()
        };
        assert_eq!(pause(None, 1, 0.5), 500);
        assert_eq!(pause(None, 8, 1.0), 3_000);
        assert_eq!(pause(Some(7), 1, 0.0), 7_000);
        assert_eq!(pause(Some(7), 2, 0.25), 7_500);
    }
}
