//! From the head of a request to the decision whether it runs.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use sha2::{Digest, Sha256};
use tokio::time::{Instant, sleep_until};

use super::kept::KeptReply;
use super::key::{self, Parts};
use super::running::in_time;
use super::{By, Claim, Found, IdempotencyKey, Running, Shared};
use crate::body::{self, Taken};
use crate::event::{Acknowledgement, Event, Provider};
use crate::fingerprint::Fingerprint;
use crate::receiver::LONGEST_ACK_DEADLINE;
use crate::reply::{Outcome, Reply};
use crate::request::Request;
use crate::telemetry;

/// Between two looks at a key that another process may hold; this one tells by itself.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// A request that is covered, by its head.
#[must_use = "the request has to be begun"]
#[derive(Debug)]
pub struct Asked {
    shared: Arc<Shared>,
    query: Option<String>,
    key: Result<Key, Outcome>,
}

#[derive(Debug)]
enum Key {
    InHead(IdempotencyKey),
    /// In the event of this provider, after these parts.
    InBody(Provider, Parts),
}

/// What has to be done with a request.
#[must_use = "the request has to be answered or run"]
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "an adapter has to know all")]
pub enum Begun {
    /// It is answered with this, and does not run.
    Answer(Reply),
    /// It runs with this body, [watched](Running::watch), and what it answers is [finished](Running::finish).
    Run(Bytes, Running),
}

impl Asked {
    pub(super) fn of(shared: &Arc<Shared>, request: &Request<'_>) -> Option<Self> {
        if !shared.by.covers(request.method) {
            return None;
        }
        let key = match shared.by {
            By::Event(provider) => Ok(Key::InBody(provider, scope(shared, request))),
            By::Header { required } => match key::from_header(request.headers.lines("idempotency-key")) {
                Ok(Some(key)) => Ok(Key::InHead(scope(shared, request).and(key.as_bytes()).key())),
                Ok(None) if !required => return None,
                Ok(None) => Err(Outcome::NoKey),
                Err(why) => Err(Outcome::BadKey(why)),
            },
        };
        Some(Self { shared: Arc::clone(shared), query: request.query.filter(|query| !query.is_empty()).map(str::to_owned), key })
    }

    /// Reads the body, which comes as a stream of chunks, and claims the key; waits while another request with it runs.
    ///
    /// Dropping the future gives the request up, and the key too if it was claimed.
    pub async fn begin<S, E>(self, body: S) -> Begun
    where
        S: Stream<Item = Result<Bytes, E>>,
    {
        let begun = Instant::now();
        match self.key_and_run(body, begun).await {
            Ok(begun) => begun,
            Err(outcome) => {
                telemetry::idempotent(outcome.as_str());
                Begun::Answer(outcome.reply(self.shared.by.acknowledgement()))
            }
        }
    }

    /// The same for a body that has been read already.
    pub async fn begin_whole(self, body: Bytes) -> Begun {
        self.begin(body::whole(body)).await
    }

    async fn key_and_run<S, E>(&self, body: S, begun: Instant) -> Result<Begun, Outcome>
    where
        S: Stream<Item = Result<Bytes, E>>,
    {
        let key = self.key.as_ref().map_err(Clone::clone)?;
        let body = match body::take(body, self.shared.body_limit, begun + body::DEFAULT_TIME).await {
            Taken::Whole(body) => body,
            Taken::Stopped => return Err(Outcome::BodyStopped),
            Taken::Cut(_) => {
                tracing::error!(limit = self.shared.body_limit, "a body over the limit was not handled");
                return Err(Outcome::TooLarge);
            }
        };
        let (key, fingerprint, keep) = match key {
            Key::InHead(key) => (*key, with_query(Fingerprint::of(&body), self.query.as_deref()), None),
            Key::InBody(provider, scope) => match Event::decode(*provider, &body) {
                Ok(event) => {
                    let fingerprint = Fingerprint::of_decoded(&body);
                    let Some((key, horizon)) = key::of_event(&event, &fingerprint) else {
                        telemetry::idempotent("no_key");
                        return Ok(Begun::Run(body, Running::of_any(&self.shared)));
                    };
                    (scope.clone().and(key.as_bytes()).key(), fingerprint, horizon)
                }
                Err(_) => {
                    let fingerprint = Fingerprint::of(&body);
                    (scope.clone().and(b"unreadable").and(fingerprint.as_bytes()).key(), fingerprint, None)
                }
            },
        };
        let claim = Claim::new(key);
        let running = match self.claim(claim, fingerprint, begun).await? {
            Claimed::Runs => Running::of_claim(&self.shared, claim, keep.unwrap_or(self.shared.keep)),
            Claimed::Answer(reply) => return Ok(Begun::Answer(reply)),
        };
        telemetry::idempotent("first");
        Ok(Begun::Run(body, running))
    }

    /// Claims the key, or finds what to answer; waits for a request that runs.
    async fn claim(&self, claim: Claim, fingerprint: Fingerprint, begun: Instant) -> Result<Claimed, Outcome> {
        let deadline = begun + self.shared.wait;
        let mut found = self.look(claim, fingerprint, begun).await?;
        loop {
            let same = match &found {
                Found::Claimed => return Ok(Claimed::Runs),
                Found::Running { fingerprint } | Found::Done { fingerprint, .. } => fingerprint,
            };
            if *same != fingerprint {
                tracing::error!(key = %claim.key, "a request with other content under a key that is used; not handled");
                return Err(Outcome::OtherBody);
            }
            if let Found::Done { reply, .. } = found {
                return replayed(claim.key, reply).map(Claimed::Answer);
            }
            if Instant::now() >= deadline {
                match self.shared.by.acknowledgement() {
                    Acknowledgement::Always => {
                        tracing::error!(key = %claim.key, "an event whose first copy still runs was acknowledged; it is gone if that fails");
                    }
                    Acknowledgement::Readable => {
                        tracing::warn!(key = %claim.key, "a request whose first copy still runs; not handled");
                    }
                }
                return Err(Outcome::StillRunning);
            }
            // Listens before it looks, so that nothing ends unheard in between.
            let mut changed = pin!(self.shared.store.changed());
            let heard = poll_fn(|cx| Poll::Ready(changed.as_mut().poll(cx).is_ready())).await;
            found = self.look(claim, fingerprint, begun).await?;
            if !heard && matches!(found, Found::Running { .. }) {
                tokio::select! {
                    () = changed => {}
                    () = sleep_until(deadline.min(Instant::now() + LOOK_AGAIN)) => {}
                }
                found = self.look(claim, fingerprint, begun).await?;
            }
        }
    }

    async fn look(&self, claim: Claim, fingerprint: Fingerprint, begun: Instant) -> Result<Found, Outcome> {
        let now = self.shared.clock.now();
        self.shared.prune(now);
        let looking = self.shared.store.claim(now, claim, fingerprint, now.after(self.shared.lease));
        // Dropped while it looks, it may have claimed; then the key must not be held until its lease ends.
        let claiming = Running::of_claim(&self.shared, claim, self.shared.keep);
        let left = (begun + LONGEST_ACK_DEADLINE).saturating_duration_since(Instant::now());
        match in_time(left, "claim an idempotency key", looking).await {
            Ok(found) => {
                claiming.forget();
                Ok(found)
            }
            Err(error) => {
                tracing::error!(%error, "the idempotency store is away; nothing was handled");
                Err(Outcome::NotRecorded)
            }
        }
    }
}

enum Claimed {
    Runs,
    Answer(Reply),
}

/// The kept reply; what another version wrote, or was too large, is done all the same.
fn replayed(key: IdempotencyKey, reply: Bytes) -> Result<Reply, Outcome> {
    match KeptReply::decode(reply) {
        Some(KeptReply { status, headers, body: Some(body) }) => {
            tracing::debug!(%key, status, "replayed");
            telemetry::idempotent("replayed");
            Ok(Reply::replayed(status, headers, body))
        }
        _ => Err(Outcome::ReplyNotKept),
    }
}

/// The route and the user. Method and path, unless the route has a name; the `authorization` header, unless users are told apart
/// in another way.
///
/// What names a part comes before it, and a key after the scope is one more part or, for what is unreadable, two: so no two scopes
/// with their keys make the same list of parts.
fn scope(shared: &Shared, request: &Request<'_>) -> Parts {
    let route = match &shared.route {
        Some(name) => Parts::default().and(b"route").and(name.as_bytes()),
        None => Parts::default().and(b"path").and(request.method.as_bytes()).and(request.path.as_bytes()),
    };
    match (shared.by, &shared.user) {
        (By::Event(provider), _) => route.and(b"provider").and(provider.as_str().as_bytes()),
        (By::Header { .. }, Some(user)) => match user(request) {
            Some(user) => route.and(b"user").and(user.as_bytes()),
            None => route.and(b"nobody"),
        },
        (By::Header { .. }, None) => request.headers.lines("authorization").fold(route.and(b"authorization"), Parts::and),
    }
}

/// Requests with another query are other requests.
fn with_query(body: Fingerprint, query: Option<&str>) -> Fingerprint {
    let Some(query) = query else { return body };
    Fingerprint::from_bytes(Sha256::new().chain_update(body.as_bytes()).chain_update(query).finalize().into())
}
