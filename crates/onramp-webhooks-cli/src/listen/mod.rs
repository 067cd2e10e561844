//! The command `onramp-webhooks listen`.

mod describe;
mod endpoints;
mod feed;
mod forward;
mod notice;
mod owned;
mod pace;
mod signature;
mod watched;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use clap::Args;
use hyper::Uri;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use onramp_webhooks::allow_list::AllowList;
use onramp_webhooks::client_ip::{ClientIp, ForwardingHeader};
use onramp_webhooks::clock::SystemClock;
use onramp_webhooks::inbox::Filter;
use onramp_webhooks::worker::RetryPolicy;
use onramp_webhooks::{Receiver, Worker};
use onramp_webhooks_server::Server;
use serde_json::json;
use tokio::time::timeout;

use self::endpoints::{Endpoints, MOUNT};
use self::feed::Feed;
use self::forward::{Forward, Target, is_reserved};
use self::pace::Pace;
use self::signature::SigningSecret;
use self::watched::{Reporter, WatchedInbox};
use crate::database::{Address, Store};
use crate::exit::{CliError, ExitStatus};
use crate::globals::Globals;
use crate::http::{HttpClient, is_this_machine};
use crate::inspector::{self, Token, TokenArgs};
use crate::interrupt::Interrupts;
use crate::output::Output;
use crate::running::{self, Announced, Running};
use crate::secret;
use crate::socket::{bind, from_here};
use crate::text::Line;
use crate::time::parse_limit;

const EXAMPLES: &str = "Examples:
  onramp-webhooks listen
  onramp-webhooks listen --forward-to http://127.0.0.1:3000/purchases
  onramp-webhooks listen --forward-to http://127.0.0.1:3000/purchases --events order_complete,postback --fail 10%
  onramp-webhooks listen --no-store --listen 127.0.0.1:0 --json";

/// The inbox without an address of another.
const DEFAULT_DATABASE: &str = "onramp.db";

/// The lease of a delivery. Deliveries that were leased before a crash wait for the lease to expire.
const LEASE: Duration = Duration::from_secs(5);

/// The time for running attempts after the signal to stop.
const GRACE: Duration = Duration::from_secs(5);

/// Limit for the whole shutdown of the worker.
const WORKER_GRACE: Duration = Duration::from_secs(8);

/// Limit for closing the database after that.
const CLOSE_GRACE: Duration = Duration::from_secs(2);

/// The time between the end of a request to the target and the end of its attempt.
const AFTER_TIMEOUT: Duration = Duration::from_secs(5);

/// Receive events, show them as they arrive, and forward them to an address
///
/// Each event is on disk before it is acknowledged. It is forwarded until it is answered with 2xx, also after a restart.
///
/// Exit code: 0 after Ctrl-C or SIGTERM, 130 after a second one, 4 if the inbox belongs to another program.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Listen {
    /// The address of the receiver. One that others can reach needs a secret of 32 characters
    #[arg(long, value_name = "ADDRESS", env = "LISTEN", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Keep deliveries in memory only
    #[arg(long)]
    no_store: bool,
    /// The secret in Wert's path. Without it, one is made for the inbox. Prefer the environment variable
    #[arg(long, value_name = "SECRET", env = "WERT_SECRET", hide_env_values = true)]
    wert_secret: Option<String>,
    /// A file with secrets, one in each line
    #[arg(long, value_name = "FILE", env = "WERT_SECRET_FILE", conflicts_with = "wert_secret")]
    wert_secret_file: Option<PathBuf>,
    /// The addresses that may send Kriptomat's postbacks, without a secret in the path
    #[arg(long, value_name = "ADDRESSES", env = "KRIPTOMAT_ALLOW")]
    kriptomat_allow: Option<AllowList>,
    /// The proxies in front of the receiver
    #[arg(long, value_name = "ADDRESSES", env = "TRUSTED_PROXIES", default_value = "")]
    trusted_proxies: AllowList,
    /// The header in which these proxies name the client
    #[arg(long, value_name = "NAME", env = "CLIENT_IP_HEADER", default_value = "x-forwarded-for")]
    client_ip_header: ForwardingHeader,
    /// Post each event to this address until it answers with 2xx
    #[arg(long, value_name = "URL", value_parser = parse_url)]
    forward_to: Option<Uri>,
    /// Sign forwarded requests as Standard Webhooks does: whsec_ and a key in base64. Prefer the environment variable
    #[arg(long, value_name = "SECRET", env = "FORWARD_SECRET", hide_env_values = true)]
    forward_secret: Option<String>,
    /// A file with that secret
    #[arg(long, value_name = "FILE", env = "FORWARD_SECRET_FILE", conflicts_with = "forward_secret")]
    forward_secret_file: Option<PathBuf>,
    /// Add a header to forwarded requests, such as 'authorization: Bearer token'
    #[arg(long, value_name = "NAME:VALUE", requires = "forward_to", value_parser = parse_header)]
    header: Vec<(HeaderName, HeaderValue)>,
    /// Forward events of these types only, such as order_complete,postback
    #[arg(long, value_name = "TYPE", requires = "forward_to", value_delimiter = ',')]
    events: Vec<String>,
    /// Time limit of a forwarded request
    #[arg(long, default_value = "30s", value_parser = parse_limit)]
    timeout: Duration,
    /// The number of events that are forwarded at the same time
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
    concurrency: u16,
    /// The number of attempts before an event is a dead letter
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    attempts: u32,
    /// Let this share of the attempts fail, such as 10%, to see how events are retried
    #[arg(long, value_name = "SHARE", default_value = "0%", value_parser = parse_share)]
    fail: f64,
    /// Serve no inspector page
    #[arg(long)]
    no_inspector: bool,
    #[command(flatten)]
    token: TokenArgs,
}

/// Everything that runs.
struct Listening {
    store: Store,
    worker: Worker,
    printer: feed::Printer,
    announced: Option<Announced>,
}

impl Listen {
    pub(crate) async fn run(self, globals: &Globals, output: &Output) -> Result<ExitStatus, CliError> {
        let given = endpoints::given(self.wert_secret.as_deref(), self.wert_secret_file.as_deref())?;
        endpoints::check(given.as_deref(), self.listen)?;
        let target = self.target()?;
        let token = self.token(output)?;
        let mut interrupts = Interrupts::listen()?;
        let (listener, address) = bind(self.listen).await?;
        if self.forward_to.as_ref().is_some_and(|uri| is_own(uri, address)) {
            return Err(CliError::Usage("--forward-to is an address of this receiver".to_owned()));
        }
        let database = if self.no_store { None } else { Some(database(globals)?) };
        let store = self.open(database.as_ref(), globals).await?;
        let made = owned::secret(&*store.inbox, store.is_own, endpoints::make()?).await?;
        let allowed = self.kriptomat_allow.clone().filter(|allowed| !allowed.is_empty());
        let endpoints = Endpoints::new(given, made, allowed, address, from_here(address));
        let name = database.as_ref().map_or_else(|| "memory".to_owned(), ToString::to_string);
        let inspector = token.as_ref().map(|token| token.link(from_here(address)));
        self.banner(&endpoints, address, inspector.as_deref(), &name, &store, output).await?;
        let announced = announce(&endpoints, address, output);

        let (feed, printer) = Feed::start(output.clone())?;
        let reporter = Reporter::new(feed);
        let inbox = WatchedInbox { inbox: Arc::clone(&store.inbox), reporter: reporter.clone(), pace: Pace::default() };
        let receiver =
            Receiver::builder(inbox).endpoint(endpoints.wert).endpoint(endpoints.kriptomat).client_ip(self.client_ip());
        let receiver = receiver.build().map_err(|error| CliError::with_source("starting the receiver", &error))?;
        let handler = Forward { target, fail: self.fail, reporter: reporter.clone() };
        let worker = self.worker(&receiver, handler);
        let page = token.map(|token| token.inspector(receiver.inbox().clone()).title("listen", name));
        let app = Router::new().nest(MOUNT, onramp_webhooks_axum::routes(receiver));
        // Requests of the page are no events.
        let app = app.layer(middleware::from_fn_with_state(reporter, report));
        let app = match page {
            Some(page) => inspector::mount(app, page)?,
            None => app,
        };
        Server::new(listener).serve(app, ConnectInfo::<SocketAddr>, interrupts.next()).await;
        Ok(Listening { store, worker, printer, announced }.stop(interrupts, output).await)
    }

    async fn open(&self, database: Option<&Address>, globals: &Globals) -> Result<Store, CliError> {
        let connections = u32::from(self.concurrency).clamp(4, 16);
        match database {
            Some(address) => address.create(&globals.schema, connections, globals.database()?.is_none()).await,
            None => Ok(Store::in_memory()),
        }
    }

    fn client_ip(&self) -> ClientIp {
        ClientIp::behind(self.trusted_proxies.clone(), self.client_ip_header.clone())
    }

    fn worker(&self, receiver: &Receiver, handler: Forward) -> Worker {
        let usual = RetryPolicy::default();
        let retry = RetryPolicy::new(self.attempts, usual.first, usual.longest);
        receiver
            .worker(handler)
            .retry(retry)
            .concurrency(usize::from(self.concurrency))
            .attempt_timeout(self.timeout.saturating_add(AFTER_TIMEOUT))
            .lease(LEASE)
            .grace(GRACE)
            .spawn()
    }

    fn target(&self) -> Result<Option<Target>, CliError> {
        let secret = signing_secret(self.forward_secret.as_deref(), self.forward_secret_file.as_deref())?;
        let Some(uri) = self.forward_to.clone() else { return Ok(None) };
        let mut headers = HeaderMap::new();
        for (name, value) in &self.header {
            headers.append(name, value.clone());
        }
        Ok(Some(Target {
            client: HttpClient::new(&uri, usize::from(self.concurrency))?,
            uri,
            headers,
            secret,
            timeout: self.timeout,
            events: self.events.iter().cloned().collect(),
            clock: Arc::new(SystemClock::default()),
        }))
    }

    /// Returns the token of the inspector, unless there is none.
    fn token(&self, output: &Output) -> Result<Option<Token>, CliError> {
        if self.no_inspector {
            return Ok(None);
        }
        let token = self.token.token()?;
        let refused = token.check(self.listen).err();
        refused.iter().for_each(|refused| output.note(&Line::new().text(format_args!("no inspector: {refused}"))));
        Ok(refused.is_none().then_some(token))
    }

    async fn banner(
        &self,
        endpoints: &Endpoints,
        address: SocketAddr,
        inspector: Option<&str>,
        name: &str,
        store: &Store,
        output: &Output,
    ) -> Result<(), CliError> {
        let newest = store.inbox.list(Filter::all().limit(1)).await;
        let newest = newest
            .map_err(|error| CliError::with_source("reading the inbox", &error))?
            .records
            .first()
            .map(|record| record.id.to_string());
        let forward = self.forward_to.as_ref().map(shown);
        if output.json {
            return output.object(&json!({
                "object": "listen",
                "address": address.to_string(),
                "wert": endpoints.shown_wert_url(),
                "kriptomat": endpoints.kriptomat_url,
                "inspector": inspector,
                "inbox": name,
                "newest_id": newest,
                "forward_to": forward,
            }));
        }
        let newest = newest.map_or_else(|| "empty".to_owned(), |id| format!("newest delivery #{id}"));
        output.labeled("Wert", &endpoints.shown_wert_url())?;
        output.labeled("Kriptomat", &endpoints.kriptomat_url)?;
        if let Some(inspector) = inspector {
            output.labeled("Inspector", inspector)?;
        }
        output.labeled("Inbox", &format!("{name}, {newest}"))?;
        if let Some(forward) = forward {
            output.labeled("Forward to", &forward)?;
        }
        output.labeled("Try", "onramp-webhooks trigger wert checkout")
    }
}

impl Listening {
    /// Ends in the opposite order. A second signal ends it at once, and loses nothing either.
    async fn stop(self, mut interrupts: Interrupts, output: &Output) -> ExitStatus {
        output.note(&Line::new().text("stopping"));
        let Self { store, worker, printer, announced } = self;
        drop(announced);
        let ending = async {
            if timeout(WORKER_GRACE, worker.shutdown()).await.is_err() {
                output.warning("the inbox does not respond; unfinished deliveries are forwarded after the next start");
            }
            match timeout(CLOSE_GRACE, store.close()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => output.warning(&error.to_string()),
                Err(_) => output.warning("the database file is in use; keep the files beside it"),
            }
        };
        let status = tokio::select! {
            () = ending => ExitStatus::Success,
            () = interrupts.next() => ExitStatus::Interrupted,
        };
        drop(store);
        printer.finish();
        status
    }
}

/// Reports the answer to a request.
async fn report(State(reporter): State<Reporter>, request: Request, next: Next) -> Response {
    let answer = pin!(next.run(request));
    reporter.answer(answer, |response| response.status().as_u16()).await
}

fn database(globals: &Globals) -> Result<Address, CliError> {
    Ok(globals.database()?.unwrap_or_else(|| Address::Sqlite(DEFAULT_DATABASE.into())))
}

/// Returns whether an address is one of this receiver, which would forward events to itself.
fn is_own(uri: &Uri, address: SocketAddr) -> bool {
    let host = uri.host().unwrap_or_default();
    let is_here = is_this_machine(host) || host.trim_matches(['[', ']']).parse() == Ok(address.ip());
    is_here && uri.port_u16() == Some(address.port()) && uri.path().starts_with(MOUNT)
}

/// Lets `trigger` find this receiver.
fn announce(endpoints: &Endpoints, address: SocketAddr, output: &Output) -> Option<Announced> {
    let running = Running {
        pid: std::process::id(),
        address: from_here(address),
        wert: endpoints.wert_url.clone(),
        kriptomat: endpoints.kriptomat_url.clone(),
    };
    let announced = running::folder().and_then(|folder| running.announce(&folder));
    announced
        .inspect_err(|error| output.warning(&format!("`trigger` needs --to, because it cannot find this receiver: {error}")))
        .ok()
}

/// Returns an address without its query, which may contain a secret.
fn shown(uri: &Uri) -> String {
    let authority = uri.authority().map(|authority| authority.as_str()).unwrap_or_default();
    format!("{}://{authority}{}", uri.scheme_str().unwrap_or_default(), uri.path())
}

fn signing_secret(secret: Option<&str>, file: Option<&Path>) -> Result<Option<SigningSecret>, CliError> {
    let text = secret::text_or_file("--forward-secret", secret, file)?;
    let secret = text.map(|text| SigningSecret::parse(&text)).transpose();
    secret.map_err(|error| CliError::Usage(format!("--forward-secret: {error}")))
}

fn parse_url(text: &str) -> Result<Uri, String> {
    let expected = || "expected an address such as http://127.0.0.1:3000/purchases, without a user and a password".to_owned();
    let uri: Uri = text.parse().map_err(|_| expected())?;
    let is_usable = matches!(uri.scheme_str(), Some("http" | "https"))
        && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    if is_usable { Ok(uri) } else { Err(expected()) }
}

fn parse_header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("expected NAME:VALUE")?;
    let name: HeaderName = name.trim().parse().map_err(|_| "the name is not the name of a header".to_owned())?;
    if is_reserved(&name) {
        return Err(format!("{name} is set by this program"));
    }
    let mut value: HeaderValue = value.trim().parse().map_err(|_| "the value cannot be sent".to_owned())?;
    value.set_sensitive(true);
    Ok((name, value))
}

/// Parses `10%` as a share of one.
fn parse_share(text: &str) -> Result<f64, String> {
    let percent: Option<f64> = text.strip_suffix('%').and_then(|percent| percent.parse().ok());
    let percent = percent.filter(|percent| (0.0..=100.0).contains(percent));
    percent.map(|percent| percent / 100.0).ok_or_else(|| "expected a share such as 10%".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_headers_and_addresses_are_checked() {
        assert_eq!((parse_share("10%"), parse_share("0%"), parse_share("100%")), (Ok(0.1), Ok(0.0), Ok(1.0)));
        for text in ["10", "-1%", "101%", "NaN%", "%", ""] {
            assert!(parse_share(text).is_err(), "{text}");
        }
        assert_eq!(
            parse_header("X-Api-Key : a:b ").unwrap(),
            (HeaderName::from_static("x-api-key"), HeaderValue::from_static("a:b"))
        );
        for text in ["", "x", "a b: c", "x: a\nb", "Host: x", "Onramp-Type: x"] {
            assert!(parse_header(text).is_err(), "{text}");
        }
        assert_eq!(shown(&parse_url("http://127.0.0.1:3000/purchases?key=hush").unwrap()), "http://127.0.0.1:3000/purchases");
        for text in ["", "/purchases", "ftp://x/", "http://", "127.0.0.1:3000", "http://me:hush@x/"] {
            assert!(parse_url(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_receiver_does_not_forward_to_itself() {
        let address = "127.0.0.1:8080".parse().unwrap();
        for (to, expected) in [
            ("http://127.0.0.1:8080/webhooks/wert/x", true),
            ("http://localhost:8080/webhooks/kriptomat", true),
            ("http://[::1]:8080/webhooks/wert", true),
            ("http://127.0.0.1:8080/purchases", false),
            ("http://127.0.0.1:3000/webhooks/wert/x", false),
            ("http://shop.example:8080/webhooks/wert/x", false),
        ] {
            assert_eq!(is_own(&to.parse().unwrap(), address), expected, "{to}");
        }
        assert!(is_own(&"http://192.0.2.1:80/webhooks/x".parse().unwrap(), "192.0.2.1:80".parse().unwrap()));
    }
}
