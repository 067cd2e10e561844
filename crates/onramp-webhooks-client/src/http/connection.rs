//! The way to one provider.

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

const DOING: &str = "setting up the client";

/// Idle connections are given up before most servers do it.
const IDLE: Duration = Duration::from_secs(20);

/// The way to one provider. Cheap to clone.
#[derive(Clone)]
pub struct Connection {
    pub(super) http: reqwest::Client,
    pub(super) base: BaseUrl,
    pub(super) secret: Secret,
    pub(super) limits: Limits,
}

impl Connection {
    pub(super) fn new(base: String, secret: Secret, limits: Limits) -> Result<Self, ClientError> {
        let invalid = || ClientError::new(ClientErrorKind::Invalid, DOING);
        let base = BaseUrl::parse(&base).map_err(|why| invalid().detail(why))?;
        if secret.expose().trim().is_empty() {
            return Err(invalid().detail("the key or token is empty"));
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
            .pool_idle_timeout(IDLE);
        let builder = if base.is_encrypted() { builder } else { within_this_machine(builder) };
        let http = builder.build().map_err(|error| invalid().because(error.without_url()))?;
        Ok(Self { http, base, secret, limits })
    }

    pub(crate) fn secret(&self) -> &Secret {
        &self.secret
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.limits.clock
    }

    /// What `read` reads in the successful answer, after as many attempts as the call allows. Cancel-safe; what starts something may
    /// have arrived.
    pub(crate) async fn send<T>(&self, call: &Call, read: impl Fn(&[u8]) -> Result<T, ClientError>) -> Result<T, ClientError> {
        let end = Instant::now() + self.limits.deadline.min(FAR);
        let mut attempt = 1;
        loop {
            let limit = self.limits.attempt_timeout.min(end.saturating_duration_since(Instant::now()));
            let body = self.attempt(call, limit).await;
            let error = match body.and_then(|body| read(&body).map_err(|error| self.quote(error, &body))) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let pause = pause(&self.limits.retry, call.is_safe(), &error, attempt, fastrand::f64());
            let Some(pause) = pause.filter(|pause| *pause < end.saturating_duration_since(Instant::now())) else {
                return Err(error);
            };
            tracing::debug!(why = %error, attempt, ?pause, "asking again");
            self.sleep(pause, end).await;
            attempt += 1;
        }
    }

    /// At most until `end`, whatever the clock does.
    async fn sleep(&self, pause: Duration, end: Instant) {
        let clock = &self.limits.clock;
        let _ = tokio::time::timeout_at(end, clock.sleep_until(clock.now().after(pause))).await;
    }
}

/// A deadline that cannot overflow.
const FAR: Duration = Duration::from_secs(365 * 24 * 3_600);

/// Without a proxy, which would see what is not encrypted, and without certificates, which a bare container may not have.
fn within_this_machine(builder: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
    let builder = builder.no_proxy();
    #[cfg(any(feature = "rustls", feature = "rustls-no-provider"))]
    let builder = builder.tls_certs_only([]);
    builder
}

/// The pause before the next attempt, if there is to be one: what the provider asked for, and some more, so that not everyone comes
/// back at once. `random` is drawn from 0 up to 1.
fn pause(policy: &RetryPolicy, is_safe: bool, error: &ClientError, attempt: u32, random: f64) -> Option<Duration> {
    let worth_it = if is_safe { error.is_transient() } else { error.kind() == ClientErrorKind::Unreachable };
    let pause = policy.pause(attempt, random).filter(|_| worth_it)?;
    Some(error.retry_after().unwrap_or_default().saturating_add(pause))
}

/// Shows no key, and of the address no path.
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
    fn what_starts_something_is_repeated_only_if_nothing_was_sent() {
        use ClientErrorKind::{
            Interrupted, Misfit, NotJson, ProviderFailed, RateLimited, Redirected, Refused, TimedOut, TooLarge, Unauthorized,
            Unreachable,
        };
        let policy = RetryPolicy::new(2, Duration::from_secs(1), Duration::from_secs(1));
        for (kind, safe, starting) in [
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
            (Misfit, false, false),
        ] {
            assert_eq!(pause(&policy, true, &error(kind, None), 1, 0.5).is_some(), safe, "{kind:?}");
            assert_eq!(pause(&policy, false, &error(kind, None), 1, 0.5).is_some(), starting, "{kind:?}");
            assert_eq!(pause(&policy, true, &error(kind, None), 2, 0.5), None);
        }
    }

    #[test]
    fn the_pause_is_what_was_asked_for_and_a_random_part() {
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
