//! A served site, and requests to it.

use std::fmt;
use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use onramp_webhooks::allow_list::AllowList;
use onramp_webhooks::client_ip::ClientIp;
use onramp_webhooks::clock::ManualClock;
use onramp_webhooks::gate::AllowListGate;
use onramp_webhooks::idempotency::{Idempotency, IdempotencyStore, MemoryIdempotencyStore, Scope};
use onramp_webhooks::inbox::{Filter, Inbox, MemoryInbox, Record, State};
use onramp_webhooks::{Kriptomat, Receiver, Wert};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::faulty::{Fault, Faulty};
use super::site::{Listener, REPLY_LIMIT, Shared, Site};
use super::wire::{Connection, Response, Transcript, soon};
use crate::doubles::Double;

/// The body limit of a site, in bytes.
pub(super) const BODY_LIMIT: usize = 64 << 10;

/// The path of Wert's endpoint, with its secret.
pub(super) const WERT: &str = Site::WERT;

/// The stores of one site.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stores {
    /// The inbox of the receiver.
    pub inbox: Arc<dyn Inbox>,
    /// The store of the idempotency middleware.
    pub idempotency: Arc<dyn IdempotencyStore>,
    kept: Arc<dyn std::any::Any + Send + Sync>,
}

impl Stores {
    /// Combines two stores.
    pub fn new(inbox: impl Inbox, idempotency: impl IdempotencyStore) -> Self {
        Self { inbox: Arc::new(inbox), idempotency: Arc::new(idempotency), kept: Arc::new(()) }
    }

    /// Creates both stores in memory.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::new(MemoryInbox::new(), MemoryIdempotencyStore::new())
    }

    /// Keeps `guard` until the stores are dropped: a temporary folder, a container, or any other value that cleans up in its `Drop`.
    #[must_use]
    pub fn keeping(self, guard: impl std::any::Any + Send + Sync) -> Self {
        Self { kept: Arc::new((self.kept, guard)), ..self }
    }
}

type Opening = Pin<Box<dyn Future<Output = Stores> + Send>>;

/// An adapter under test, and the source of its stores.
pub struct Setup {
    serve: fn(Site),
    open: Box<dyn Fn() -> Opening + Send + Sync>,
    transcript: Transcript,
}

impl Setup {
    /// Serves sites with `serve`, using stores in memory.
    #[must_use]
    pub fn in_memory(serve: fn(Site)) -> Self {
        Self::new(serve, async || Stores::in_memory())
    }

    /// Serves sites with `serve`, using stores that `open` creates. `serve` returns when the site is stopped.
    pub fn new<O>(serve: fn(Site), open: impl Fn() -> O + Send + Sync + 'static) -> Self
    where
        O: Future<Output = Stores> + Send + 'static,
    {
        Self { serve, open: Box::new(move || Box::pin(open())), transcript: Transcript::default() }
    }

    /// Returns the responses so far.
    #[must_use]
    pub const fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    /// Serves a default site, for tests from outside of this process.
    pub async fn serve(&self) -> Served {
        Served(self.harness().await)
    }

    /// Serves a default site.
    pub(super) async fn harness(&self) -> Harness {
        self.harness_with(Plan::default()).await
    }

    pub(super) async fn harness_with(&self, plan: Plan) -> Harness {
        let stores = (self.open)().await;
        let (inbox, idempotency) =
            (Double(Faulty::new(Arc::clone(&stores.inbox))), Double(Faulty::new(Arc::clone(&stores.idempotency))));
        let (listener, address) = listen(plan.listen);
        let receiver = Receiver::builder(inbox.clone())
            .endpoint(Wert::with_path_secret("s3cret-for-examples"))
            .endpoint(Kriptomat::allowing(plan.allowed.clone()))
            .client_ip(plan.client_ip.clone())
            .body_limit(BODY_LIMIT)
            .ack_deadline(plan.ack_deadline);
        let by_header = Idempotency::by_header(idempotency.clone(), Scope::authorization())
            .wait(plan.wait)
            .reply_limit(REPLY_LIMIT)
            .body_limit(BODY_LIMIT);
        let by_header = plan.clock.into_iter().fold(by_header, |by_header, clock| by_header.clock(Arc::new(clock)));
        let by_event = Idempotency::by_event::<Wert>(idempotency.clone()).wait(plan.wait).body_limit(BODY_LIMIT);
        let site = Site {
            shared: Arc::new(Shared {
                listener: Mutex::new(Some(listener)),
                receiver: receiver.build().expect("a receiver"),
                gate: AllowListGate::new(plan.allowed, plan.client_ip),
                by_header: by_header.build().expect("idempotency"),
                by_event: by_event.build().expect("idempotency"),
                seen: Mutex::default(),
                runs: AtomicU32::new(0),
                holding: watch::Sender::new(0),
                let_go: watch::Sender::new(false),
                stop: watch::Sender::new(false),
            }),
        };
        let (serve, served) = (self.serve, site.clone());
        let server = std::thread::Builder::new().name("site".into()).spawn(move || serve(served)).expect("a thread");
        Harness { site, stores, inbox, idempotency, address, server: Some(server), transcript: self.transcript.clone() }
    }
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup").finish_non_exhaustive()
    }
}

/// A site that is served until this value is dropped.
pub struct Served(Harness);

impl Served {
    /// Returns the address of the site.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.0.tcp()
    }
}

impl fmt::Debug for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Served").field("address", &self.address()).finish_non_exhaustive()
    }
}

/// The configuration of a site.
pub(super) struct Plan {
    pub(super) listen: Listen,
    pub(super) allowed: AllowList,
    pub(super) client_ip: ClientIp,
    pub(super) ack_deadline: Duration,
    pub(super) wait: Duration,
    /// The clock of idempotency by header; the machine's by default.
    pub(super) clock: Option<ManualClock>,
}

/// The address family of a site's listener.
#[derive(Clone, Copy)]
pub(super) enum Listen {
    Ipv4,
    /// IPv6, and IPv4 as mapped addresses.
    Ipv6,
    #[cfg(unix)]
    Unix,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            listen: Listen::Ipv4,
            allowed: AllowList::new([std::net::IpAddr::from([127, 0, 0, 1])]),
            client_ip: ClientIp::peer_only(),
            ack_deadline: Duration::from_secs(4),
            wait: Duration::from_secs(4),
            clock: None,
        }
    }
}

/// A Unix socket's name in its folder.
#[cfg(unix)]
const SOCKET: &str = "site";

enum Address {
    Tcp(SocketAddr),
    #[cfg(unix)]
    Unix(Arc<tempfile::TempDir>),
}

fn listen(listen: Listen) -> (Listener, Address) {
    let tcp = |address: &str| {
        let listener = TcpListener::bind(address).unwrap_or_else(|error| panic!("{address}: {error}"));
        listener.set_nonblocking(true).expect("non-blocking");
        let address = listener.local_addr().expect("an address");
        (Listener::Tcp(listener), Address::Tcp(address))
    };
    match listen {
        Listen::Ipv4 => tcp("127.0.0.1:0"),
        Listen::Ipv6 => tcp("[::]:0"),
        #[cfg(unix)]
        Listen::Unix => {
            let folder = Arc::new(tempfile::tempdir().expect("a folder"));
            let listener = std::os::unix::net::UnixListener::bind(folder.path().join(SOCKET)).expect("a socket");
            listener.set_nonblocking(true).expect("non-blocking");
            (Listener::Unix(listener), Address::Unix(folder))
        }
    }
}

/// A site that is served.
pub(super) struct Harness {
    pub(super) site: Site,
    pub(super) stores: Stores,
    inbox: Double<Faulty<dyn Inbox>>,
    idempotency: Double<Faulty<dyn IdempotencyStore>>,
    address: Address,
    server: Option<JoinHandle<()>>,
    transcript: Transcript,
}

impl Harness {
    /// Opens a connection.
    pub(super) async fn connect(&self) -> Connection {
        self.connect_unheard().await.noting(&self.transcript)
    }

    /// Opens a connection whose responses are not part of the transcript, because their order varies.
    pub(super) async fn connect_unheard(&self) -> Connection {
        match &self.address {
            Address::Tcp(address) => {
                let host = if address.is_ipv6() { SocketAddr::from(([127, 0, 0, 1], address.port())) } else { *address };
                Connection::open(host).await
            }
            #[cfg(unix)]
            Address::Unix(folder) => {
                let socket = folder.path().join(SOCKET);
                Connection::over(tokio::net::UnixStream::connect(socket).await.expect("a connection"))
            }
        }
    }

    fn tcp(&self) -> SocketAddr {
        match &self.address {
            Address::Tcp(address) => *address,
            #[cfg(unix)]
            Address::Unix(_) => panic!("no TCP"),
        }
    }

    /// Opens a connection that is reset when it is dropped, like that of a client that disappears.
    pub(super) async fn connect_to_reset(&self) -> Connection {
        let stream = TcpStream::connect(self.tcp()).await.expect("a connection");
        stream.set_zero_linger().expect("no linger");
        Connection::over(stream)
    }

    /// Opens a connection over IPv6.
    pub(super) async fn connect_over_ipv6(&self) -> Connection {
        let host = SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, self.tcp().port()));
        Connection::open(host).await.noting(&self.transcript)
    }

    /// Returns whether connections are still accepted.
    pub(super) async fn lets_in(&self) -> bool {
        TcpStream::connect(self.tcp()).await.is_ok()
    }

    /// Sends a request on a new connection, and returns the response.
    pub(super) async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Response {
        let mut connection = self.connect().await;
        connection.send(request(method, path, headers, body.as_ref())).await;
        connection.answer_to(method).await
    }

    /// Sends a request whose response is not part of the transcript, because it is the framework's own or the number of such responses
    /// varies.
    pub(super) async fn connect_unheard_and_send(&self, request: &[u8]) -> Response {
        let mut connection = self.connect_unheard().await;
        connection.send(request).await;
        connection.answer().await
    }

    pub(super) async fn connect_unheard_and_post(&self, path: &str) -> Response {
        self.connect_unheard_and_send(&request("POST", path, &[], b"{}")).await
    }

    pub(super) async fn post(&self, path: &str, body: impl AsRef<[u8]>) -> Response {
        self.send("POST", path, &[], body).await
    }

    pub(super) async fn wert(&self, body: impl AsRef<[u8]>) -> Response {
        self.post(WERT, body).await
    }

    pub(super) async fn kriptomat(&self, body: impl AsRef<[u8]>) -> Response {
        self.post("/webhooks/kriptomat", body).await
    }

    /// Posts with an `Idempotency-Key`.
    pub(super) async fn once(&self, path: &str, key: &str, body: impl AsRef<[u8]>) -> Response {
        self.send("POST", path, &[("idempotency-key", key)], body).await
    }

    /// Returns the states of all recorded deliveries, oldest first.
    pub(super) async fn states(&self) -> Vec<State> {
        let mut states: Vec<State> = self.recorded().await.iter().map(|record| record.state).collect();
        states.reverse();
        states
    }

    pub(super) async fn recorded(&self) -> Vec<Record> {
        self.stores.inbox.list(Filter::all().limit(10_000)).await.expect("the records").records
    }

    /// Returns the bodies of all recorded deliveries, oldest first.
    pub(super) async fn bodies(&self) -> Vec<Vec<u8>> {
        let mut bodies = Vec::new();
        for record in self.recorded().await.iter().rev() {
            let shown = self.stores.inbox.show(record.id).await.expect("a record").expect("a record");
            bodies.push(shown.body.expect("a body").to_vec());
        }
        bodies
    }

    /// Returns the events that the extractors returned since the last call.
    pub(super) fn seen(&self) -> Vec<String> {
        std::mem::take(&mut *self.site.shared.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns the number of runs of the route behind idempotency.
    pub(super) fn runs(&self) -> u32 {
        self.site.shared.runs.load(Ordering::SeqCst)
    }

    /// Returns when `holding` held runs have begun.
    pub(super) async fn holds(&self, holding: u32) {
        let mut holds = self.site.shared.holding.subscribe();
        soon("a run that holds", holds.wait_for(|holds| *holds >= holding)).await.expect("the site exists");
    }

    /// Ends all held runs.
    pub(super) fn let_go(&self) {
        self.site.shared.let_go.send_replace(true);
    }

    pub(super) fn inbox_is(&self, fault: Fault) {
        self.inbox.set(fault);
    }

    pub(super) fn idempotency_is(&self, fault: Fault) {
        self.idempotency.set(fault);
    }

    /// Starts a graceful shutdown.
    pub(super) fn stop(&self) {
        self.site.shared.stop.send_replace(true);
    }

    /// Returns when the server has ended.
    pub(super) async fn ended(mut self) {
        let server = self.server.take().expect("a server");
        until!("the server ends", server.is_finished());
        assert!(server.join().is_ok(), "the server panicked");
    }
}

impl Drop for Harness {
    fn drop(&mut self) {
        self.inbox.set(Fault::None);
        self.idempotency.set(Fault::None);
        self.let_go();
        self.stop();
    }
}

/// Returns the bytes of a request.
pub(super) fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut bytes = head(method, path, headers, &format!("content-length: {}\r\n", body.len()));
    bytes.extend_from_slice(body);
    bytes
}

/// Returns the bytes of the head of a request. `length` contains further header lines.
pub(super) fn head(method: &str, path: &str, headers: &[(&str, &str)], length: &str) -> Vec<u8> {
    let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("{method} {path} HTTP/1.1\r\nhost: site\r\n{lines}{length}\r\n").into_bytes()
}

/// Evaluates an expression repeatedly until it is true.
macro_rules! until {
    ($what:expr, $is_so:expr) => {{
        let deadline = tokio::time::Instant::now() + $crate::adapter::SOON;
        while !$is_so {
            assert!(tokio::time::Instant::now() < deadline, "not reached within {:?}: {}", $crate::adapter::SOON, $what);
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }};
}

pub(super) use until;
