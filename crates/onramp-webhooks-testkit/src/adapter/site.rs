//! The site that an adapter under test serves.

use std::convert::Infallible;
use std::fmt;
use std::future::ready;
use std::net::TcpListener;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use onramp_webhooks::adapter::{AllowListGate, Idempotency, Unreadable};
use onramp_webhooks::{KriptomatPostback, Receiver, Reply, WertEvent};
use tokio::sync::watch;

use super::site_page::SitePage;

/// The maximum size of a stored reply in bytes.
pub(super) const REPLY_LIMIT: usize = 64 << 10;

/// The site that an adapter under test serves until it is [stopped](Self::stopped) with a graceful shutdown. Clones share the same site.
///
/// | path | mounted there |
/// | --- | --- |
/// | `/webhooks` | the adapter's routes of [`receiver`](Self::receiver) |
/// | `/inline/wert` | `POST`: a handler that extracts a `Webhook<Wert>` and responds with [`wert`](Self::wert) |
/// | `/inline/kriptomat` | `POST`: a handler that extracts a `Webhook<Kriptomat>` and responds with [`kriptomat`](Self::kriptomat) |
/// | `/guarded` | any method: [`guarded`](Self::guarded), behind the allow-list of [`gate`](Self::gate) |
/// | `/once/{route}`, `/again/{route}` | any method: [`work`](Self::work), behind idempotency [`by_header`](Self::by_header), mounted below a prefix as the framework does it |
/// | `/event/{route}` | any method: [`work`](Self::work), behind idempotency [`by_event`](Self::by_event) |
/// | `/page` | the adapter's page of [`page`](Self::page), below a prefix as the framework does it |
/// | `/elsewhere` | `GET`, after all the others: [`elsewhere`](Self::elsewhere) |
#[derive(Clone)]
pub struct Site {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) listener: Mutex<Option<Listener>>,
    pub(super) receiver: Receiver,
    pub(super) gate: AllowListGate,
    pub(super) by_header: Idempotency,
    pub(super) by_event: Idempotency,
    /// The events that the extractors returned.
    pub(super) seen: Mutex<Vec<String>>,
    pub(super) runs: AtomicU32,
    /// The number of held runs that have begun.
    pub(super) holding: watch::Sender<u32>,
    pub(super) let_go: watch::Sender<bool>,
    pub(super) stop: watch::Sender<bool>,
}

/// The listener of a site, in non-blocking mode.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "an adapter under test has to serve all")]
pub enum Listener {
    /// A TCP listener, whose clients have addresses.
    Tcp(TcpListener),
    /// A Unix socket, whose clients have no addresses.
    #[cfg(unix)]
    Unix(std::os::unix::net::UnixListener),
}

/// The response of the route behind idempotency.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Worked {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: Vec<(&'static str, &'static str)>,
    /// The body, or its beginning if there is a [`stream`](Self::stream).
    pub body: Bytes,
    /// Becomes `true` when a stream may end; `None` if the body is whole.
    let_go: Option<watch::Receiver<bool>>,
}

type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, Infallible>> + Send + Sync>>;

impl Worked {
    /// Returns the body as a stream that pauses after its beginning; `None` if the body is whole.
    #[must_use]
    pub fn stream(&self) -> Option<Chunks> {
        let (begin, mut let_go) = (self.body.clone(), self.let_go.clone()?);
        let end = async move {
            // The site outlives its routes.
            let _ = let_go.wait_for(|let_go| *let_go).await;
            Ok(Bytes::from_static(b"the end"))
        };
        Some(Box::pin(stream::once(ready(Ok(begin))).chain(stream::once(end))))
    }
}

impl Site {
    /// The path of Wert's endpoint, with its secret.
    pub const WERT: &str = "/webhooks/wert/s3cret-for-examples";

    /// Takes the listener.
    ///
    /// # Panics
    /// If the listener was already taken.
    #[must_use]
    pub fn listener(&self) -> Listener {
        self.shared.listener.lock().unwrap_or_else(PoisonError::into_inner).take().expect("the listener is taken once")
    }

    /// Returns the receiver, whose routes are mounted at `/webhooks`.
    #[must_use]
    pub fn receiver(&self) -> Receiver {
        self.shared.receiver.clone()
    }

    /// Returns the gate in front of `/guarded`.
    #[must_use]
    pub fn gate(&self) -> &AllowListGate {
        &self.shared.gate
    }

    /// Returns the middleware for `/once/{route}` and `/again/{route}`.
    #[must_use]
    pub fn by_header(&self) -> &Idempotency {
        &self.shared.by_header
    }

    /// Returns the middleware for `/event/{route}`.
    #[must_use]
    pub fn by_event(&self) -> &Idempotency {
        &self.shared.by_event
    }

    /// Handles an extracted event.
    ///
    /// # Panics
    /// If the event's click id contains `do:panic`.
    #[must_use]
    pub fn wert(&self, event: Result<WertEvent, Unreadable>) -> Reply {
        self.see(match event {
            Ok(event) => {
                let click = event.click_id.as_ref().map_or("", |click| click.as_str());
                assert!(!click.contains("do:panic"), "requested by the test");
                format!("{} of {click}", event.payload.type_name())
            }
            Err(unreadable) => format!("{} bytes: {}", unreadable.raw().len(), unreadable.reason()),
        })
    }

    /// Handles an extracted postback.
    #[must_use]
    pub fn kriptomat(&self, postback: KriptomatPostback) -> Reply {
        self.see(format!("{} of {}", postback.amount, postback.asset_type))
    }

    /// Returns the page that is mounted at `/page`.
    #[must_use]
    pub fn page(&self) -> SitePage {
        SitePage(self.shared.let_go.subscribe())
    }

    fn see(&self, seen: String) -> Reply {
        self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
        Reply::received()
    }

    /// Returns the response body of `/guarded`, whose status is 200.
    #[must_use]
    pub const fn guarded(&self) -> &'static str {
        "you are in"
    }

    /// Returns the response body of `/elsewhere`, whose status is 200.
    #[must_use]
    pub const fn elsewhere(&self) -> &'static str {
        "another route"
    }

    /// Runs the route behind idempotency, which follows the instructions in `body`.
    ///
    /// # Panics
    /// If the body contains `do:panic`.
    pub async fn work(&self, body: Bytes) -> Worked {
        let run = self.shared.runs.fetch_add(1, Ordering::SeqCst) + 1;
        let asked = |what: &str| String::from_utf8_lossy(&body).contains(what);
        assert!(!asked("do:panic"), "requested by the test");
        if asked("do:hold") {
            self.shared.holding.send_modify(|holding| *holding += 1);
            // The site outlives its routes.
            let _ = self.shared.let_go.subscribe().wait_for(|let_go| *let_go).await;
        }
        let headers = vec![("content-type", "text/plain")];
        let mut worked = Worked { status: 201, headers, body: format!("run {run}").into(), let_go: None };
        if asked("do:fail") {
            worked.status = 500;
        }
        if asked("do:nothing") {
            worked = Worked { status: 204, headers: Vec::new(), body: Bytes::new(), let_go: None };
        }
        if asked("do:headers") {
            worked.headers.extend([("location", "/orders/1"), ("set-cookie", "session=ada"), ("x-internal", "1")]);
            worked.headers.extend([("access-control-allow-origin", "*"), ("content-location", "/orders/1"), ("etag", "\"1\"")]);
            worked.headers.extend([("retry-after", "3"), ("vary", "accept")]);
        }
        for status in [301, 302, 303, 307] {
            if asked(&format!("do:redirect {status}")) {
                worked.status = status;
                worked.headers.push(("location", "/orders/1"));
            }
        }
        if asked("do:stream") {
            worked.headers = vec![("content-type", "Text/Event-Stream; charset=utf-8")];
            worked.let_go = Some(self.shared.let_go.subscribe());
        }
        if asked("do:large") {
            worked.body = vec![b'.'; REPLY_LIMIT * 4].into();
        }
        worked
    }

    /// Returns when the server has to shut down gracefully.
    pub fn stopped(&self) -> impl Future<Output = ()> + Send + 'static + use<> {
        let mut stop = self.shared.stop.subscribe();
        async move {
            // Dropping the sender also stops the site.
            let _ = stop.wait_for(|stopped| *stopped).await;
        }
    }
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site").field("receiver", &self.shared.receiver).finish_non_exhaustive()
    }
}
