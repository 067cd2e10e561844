//! Live updates: a stream of the overview, which is sent whenever it or the newest deliveries have changed.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, select};
use futures_util::stream;
use onramp_webhooks::adapter::{PageRequest, PageResponse};
use onramp_webhooks::clock::Timestamp;
use serde_json::json;
use sync_wrapper::SyncStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::access::Caller;
use crate::inspector::Shared;
use crate::problem::Problem;

/// Maximum number of open streams.
const MOST: usize = 32;

/// The time after which a stream ends, and the browser opens the next one. Servers wait for open responses when they shut down:
/// `onramp-webhooks-server` for 5 s.
const LIFETIME: Duration = Duration::from_secs(4);

/// The time between two looks at the inbox.
const PERIOD: Duration = Duration::from_secs(1);

/// The first part of a stream: the time after which a browser opens the next one, in milliseconds.
const RETRY: &str = "retry: 500\n\n";

/// A comment, which shows that the connection works.
const NOTHING_NEW: &str = ":\n\n";

/// The places of streams.
pub(crate) struct Streams(Arc<Semaphore>);

impl Default for Streams {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MOST)))
    }
}

/// Responds with a stream of server-sent events. Each has the version of its overview as its id, so a browser that comes back with the id
/// gets only what has changed since.
pub(crate) fn open(shared: &Arc<Shared>, request: &PageRequest, caller: Caller, now: Timestamp) -> Result<PageResponse, Problem> {
    let place = Arc::clone(&shared.streams.0).try_acquire_owned().map_err(|_| Problem::busy())?;
    let viewer = Viewer {
        shared: Arc::clone(shared),
        caller,
        known: request.header("last-event-id").unwrap_or_default().to_owned(),
        due: None,
        ends: now.after(LIFETIME),
        _place: place,
    };
    let response = PageResponse::stream(200, SyncStream::new(stream::unfold(viewer, Viewer::next)));
    Ok(response.header("content-type", "text/event-stream").header("x-accel-buffering", "no"))
}

/// A page that is open in a browser.
struct Viewer {
    shared: Arc<Shared>,
    caller: Caller,
    /// The version that the browser has.
    known: String,
    /// The time of the next look; `None` before the first part.
    due: Option<Timestamp>,
    ends: Timestamp,
    _place: OwnedSemaphorePermit,
}

impl Viewer {
    async fn next(mut self) -> Option<(Bytes, Self)> {
        let clock = Arc::clone(&self.shared.settings.clock);
        let Some(due) = self.due else {
            self.due = Some(clock.now());
            return Some((Bytes::from_static(RETRY.as_bytes()), self));
        };
        let event = {
            let event = Box::pin(async {
                clock.sleep_until(due).await;
                self.event().await
            });
            match select(event, clock.sleep_until(self.ends)).await {
                Either::Left((event, _)) => event,
                Either::Right(_) => return None,
            }
        };
        self.due = Some(clock.now().after(PERIOD));
        let Some((version, event)) = event else { return Some((Bytes::from_static(NOTHING_NEW.as_bytes()), self)) };
        self.known = version;
        Some((event.into(), self))
    }

    /// Returns the version and the text of what the browser does not have; `None` if there is nothing new.
    async fn event(&self) -> Option<(String, String)> {
        match self.shared.overviews.get(&self.shared.settings).await {
            Ok(overview) => {
                let version = overview.version();
                let data = || overview.json(&self.shared, &self.caller);
                (version != self.known)
                    .then(|| (version.clone(), format!("id: {version}\nevent: overview\ndata: {}\n\n", data())))
            }
            // An empty id, so that the overview is sent again when the inbox is back.
            Err(problem) => {
                let data = json!({ "detail": problem.detail() });
                Some((String::new(), format!("id:\nevent: away\ndata: {data}\n\n")))
            }
        }
    }
}
