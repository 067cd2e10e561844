//! Claiming keys: the decision to run a request or to answer it.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use sha2::{Digest, Sha256};
use tokio::time::{Instant, sleep_until};

use super::key::{self, Parts};
use super::stored_reply::StoredReply;
use super::{By, IdempotencyKey, KeyGuard, KeyLease, KeyState, Shared};
use crate::body::{self, Hidden, Taken};
use crate::fingerprint::Fingerprint;
use crate::provider::{Decoder, Document};
use crate::reply::{Outcome, Reply};
use crate::request::Request;
use crate::telemetry;
use crate::timeout::within;

/// Pause between two attempts to claim a key that is held. A notification from this process ends the pause early.
const TRY_AGAIN: Duration = Duration::from_millis(100);

/// Time limit for the claim of a key: from the head of a provider's request, within Wert's timeout of five seconds, and from the end of the
/// body of any other.
const LONGEST_CLAIM: Duration = Duration::from_millis(4_900);

/// The head of a request that the middleware covers.
#[must_use = "the key has to be claimed"]
pub struct Keyed {
    shared: Arc<Shared>,
    query: Option<String>,
    key: Result<Key, Outcome>,
}

#[derive(Debug)]
enum Key {
    InHead(IdempotencyKey),
    /// The key is in the event of this provider. These parts precede it.
    InBody(Decoder, Parts),
}

/// The decision about a request.
#[must_use = "the request has to be answered or run"]
#[expect(clippy::exhaustive_enums, reason = "an adapter has to know all variants")]
pub enum Claim {
    /// The request gets this reply and does not run.
    Answer(Reply),
    /// The request [runs](KeyGuard::run) with this body, and its answer is [stored](KeyGuard::store).
    Run(Bytes, KeyGuard),
}

/// Leaves out the query.
impl fmt::Debug for Keyed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyed").field("shared", &self.shared).field("key", &self.key).finish_non_exhaustive()
    }
}

/// Leaves out the bodies.
impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer(reply) => f.debug_tuple("Answer").field(reply).finish(),
            Self::Run(body, guard) => f.debug_tuple("Run").field(&Hidden(body)).field(guard).finish(),
        }
    }
}

impl Keyed {
    pub(super) fn of(shared: &Arc<Shared>, request: &Request<'_>) -> Option<Self> {
        if !shared.by.covers(request.method) {
            return None;
        }
        let key = match shared.by {
            By::Event(decoder) => Ok(Key::InBody(decoder, scope(shared, request))),
            By::Header { required } => match key::from_header(request.headers.lines("idempotency-key")) {
                Ok(Some(key)) => Ok(Key::InHead(scope(shared, request).and(key.as_bytes()).key())),
                Ok(None) if !required => return None,
                Ok(None) => Err(Outcome::NoKey),
                Err(why) => Err(Outcome::BadKey(why)),
            },
        };
        Some(Self { shared: Arc::clone(shared), query: request.query.filter(|query| !query.is_empty()).map(str::to_owned), key })
    }

    /// Reads the body, a stream of chunks, and claims the key. Waits while another request with the same key runs.
    ///
    /// Dropping the future abandons the request and releases the key.
    pub async fn claim<S, E>(self, body: S) -> Claim
    where
        S: Stream<Item = Result<Bytes, E>>,
    {
        let begun = Instant::now();
        match self.read_and_claim(body, begun).await {
            Ok(claim) => claim,
            Err(outcome) => {
                telemetry::idempotent(outcome.as_str());
                Claim::Answer(outcome.reply(self.shared.by.acknowledgement()))
            }
        }
    }

    async fn read_and_claim<S, E>(&self, body: S, begun: Instant) -> Result<Claim, Outcome>
    where
        S: Stream<Item = Result<Bytes, E>>,
    {
        let key = self.key.as_ref().map_err(Clone::clone)?;
        let body = match body::take(body, self.shared.body_limit, after(begun, self.shared.body_time)).await {
            Taken::Whole(body) => body,
            Taken::Stopped => return Err(Outcome::BodyStopped),
            Taken::Cut(_) => {
                if let Some(requests) = self.shared.not_handled.too_large.count(self.shared.clock.now()) {
                    tracing::error!(limit = self.shared.body_limit, requests, "a body over the limit was not handled");
                }
                return Err(Outcome::TooLarge);
            }
        };
        // A provider does not wait longer because its body was slow.
        let begun = if matches!(self.shared.by, By::Event(_)) { begun } else { Instant::now() };
        let Some(keyed) = self.key_of(key, &body) else {
            telemetry::idempotent("no_key");
            return Ok(Claim::Run(body, KeyGuard::without_key(&self.shared)));
        };
        let lease = KeyLease::new(keyed.key);
        match self.take_or_wait(lease, keyed.fingerprint, begun).await? {
            Taking::Run => {
                telemetry::idempotent("first");
                Ok(Claim::Run(body, KeyGuard::of(&self.shared, lease, keyed.keep)))
            }
            Taking::Answer(reply) => Ok(Claim::Answer(reply)),
        }
    }

    /// Returns the key of a whole request; `None` if it has none.
    fn key_of(&self, key: &Key, body: &Bytes) -> Option<KeyedBody> {
        let keep = self.shared.keep;
        match key {
            Key::InHead(key) => {
                let fingerprint = with_query(Fingerprint::of(body), self.query.as_deref());
                Some(KeyedBody { key: *key, fingerprint, keep })
            }
            Key::InBody(decoder, scope) => {
                let document = Document::new(body);
                let fingerprint = Fingerprint::of_document(&document);
                let Ok(event) = (decoder.read)(&document) else {
                    let key = scope.clone().and(b"unreadable").and(fingerprint.as_bytes()).key();
                    return Some(KeyedBody { key, fingerprint, keep });
                };
                let identity = event.identity();
                let key = identity.key("", event.type_name(), &fingerprint)?.to_string();
                let keep = identity.horizon(decoder.facts.retry_horizon).unwrap_or(keep);
                Some(KeyedBody { key: scope.clone().and(key.as_bytes()).key(), fingerprint, keep })
            }
        }
    }

    /// Claims the key, or returns the stored reply. Waits while another request with the key runs.
    async fn take_or_wait(&self, lease: KeyLease, fingerprint: Fingerprint, begun: Instant) -> Result<Taking, Outcome> {
        let deadline = begun + self.shared.wait;
        let mut state = self.try_claim(lease, fingerprint, begun).await?;
        loop {
            let same = match &state {
                KeyState::Claimed => return Ok(Taking::Run),
                KeyState::Running { fingerprint } | KeyState::Done { fingerprint, .. } => fingerprint,
            };
            // An event waits for the outcome of the first one: it has to run if that one fails.
            let waits = matches!((&state, self.shared.by), (KeyState::Running { .. }, By::Event(_)));
            if *same != fingerprint && !waits {
                if let Some(requests) = self.shared.not_handled.other_body.count(self.shared.clock.now()) {
                    let why = "its key was used before for a request with other content";
                    tracing::error!(key = %lease.key, requests, why, "a request was not handled");
                }
                return Err(Outcome::OtherBody);
            }
            if let KeyState::Done { reply, .. } = state {
                return replayed(lease.key, reply).map(Taking::Answer);
            }
            if Instant::now() >= deadline {
                if let Some(requests) = self.shared.not_handled.still_running.count(self.shared.clock.now()) {
                    let why = "an earlier request with its key is still running";
                    tracing::warn!(key = %lease.key, requests, why, "a request was not handled");
                }
                return Err(self.shared.by.still_running());
            }
            state = self.claim_after_change(lease, fingerprint, begun, deadline).await?;
        }
    }

    /// Tries to claim the key again, once its state may have changed.
    async fn claim_after_change(
        &self,
        lease: KeyLease,
        fingerprint: Fingerprint,
        begun: Instant,
        deadline: Instant,
    ) -> Result<KeyState, Outcome> {
        // Subscribes before the claim, so that no change in between is missed.
        let mut changed = pin!(self.shared.store.changed());
        let has_changed = poll_fn(|cx| Poll::Ready(changed.as_mut().poll(cx).is_ready())).await;
        let state = self.try_claim(lease, fingerprint, begun).await?;
        if has_changed || !matches!(state, KeyState::Running { .. }) {
            return Ok(state);
        }
        tokio::select! {
            () = changed => {}
            () = sleep_until(deadline.min(Instant::now() + TRY_AGAIN)) => {}
        }
        self.try_claim(lease, fingerprint, begun).await
    }

    async fn try_claim(&self, lease: KeyLease, fingerprint: Fingerprint, begun: Instant) -> Result<KeyState, Outcome> {
        let now = self.shared.clock.now();
        self.shared.prune(now);
        let claiming = self.shared.store.claim(now, lease, fingerprint, now.after(self.shared.lease));
        // A dropped call may have claimed the key. In that case the guard releases it.
        let guard = KeyGuard::of(&self.shared, lease, self.shared.keep);
        let left = (begun + LONGEST_CLAIM).saturating_duration_since(Instant::now());
        match within(left, "claim an idempotency key", claiming).await {
            Ok(state) => {
                guard.forget();
                Ok(state)
            }
            Err(error) => {
                tracing::error!(%error, "the idempotency store is unavailable; the request was not handled");
                Err(Outcome::NotRecorded)
            }
        }
    }
}

/// Adds a time that may be as long as a duration can be.
fn after(begun: Instant, time: Duration) -> Instant {
    begun.checked_add(time).unwrap_or_else(|| begun + Duration::from_secs(365 * 24 * 3_600))
}

/// The key of a whole request, the fingerprint of its content, and how long to keep its reply.
struct KeyedBody {
    key: IdempotencyKey,
    fingerprint: Fingerprint,
    keep: Duration,
}

enum Taking {
    Run,
    Answer(Reply),
}

/// Returns the stored reply. If the reply was too large, or was written by another version, returns an outcome for a request that
/// has completed.
fn replayed(key: IdempotencyKey, reply: Bytes) -> Result<Reply, Outcome> {
    match StoredReply::decode(reply) {
        Some(StoredReply { status, headers, body: Some(body) }) => {
            tracing::debug!(%key, status, "replayed");
            telemetry::idempotent("replayed");
            Ok(Reply::replayed(status, headers, body))
        }
        _ => Err(Outcome::ReplyNotKept),
    }
}

/// Returns the parts of a key that identify the route and the user: the name of the route, or method and path; and the user or the provider.
///
/// Each part is preceded by a label, so that different scopes never result in the same parts.
fn scope(shared: &Shared, request: &Request<'_>) -> Parts {
    let route = match &shared.route {
        Some(name) => Parts::default().and(b"route").and(name.as_bytes()),
        None => Parts::default().and(b"path").and(request.method.as_bytes()).and(request.path.as_bytes()),
    };
    match (shared.by, &shared.scope) {
        (By::Event(decoder), _) => route.and(b"provider").and(decoder.facts.name.as_bytes()),
        (By::Header { .. }, Some(scope)) => scope.of(request, route),
        (By::Header { .. }, None) => route,
    }
}

/// Combines the fingerprint of a body with the query.
fn with_query(body: Fingerprint, query: Option<&str>) -> Fingerprint {
    let Some(query) = query else { return body };
    Fingerprint::from_bytes(Sha256::new().chain_update(body.as_bytes()).chain_update(query).finalize().into())
}
