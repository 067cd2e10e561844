//! The servers under load. Each runs in its own process, so that its memory can be measured.

use std::net::SocketAddr;

use anyhow::Context;
use async_trait::async_trait;
use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use onramp_webhooks::inbox::{Inbox, NewDelivery, Recorded};
use onramp_webhooks::provider::ProviderEvent as _;
use onramp_webhooks::{Receiver, StoreError, Wert, WertEvent};
use onramp_webhooks_sqlite::SqliteInbox;
use onramp_webhooks_testkit::doubles::{Double, InboxDouble};
use tokio::sync::Mutex;

/// A server, named after its handling of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// Reads the body.
    Bare,
    /// Parses the event.
    Parse,
    /// Records the delivery with the receiver and the SQLite inbox.
    Durable,
    /// Records the delivery with one commit for every request.
    OneCommit,
}

/// The path that every server serves.
pub(crate) const PATH: &str = "/wert/s3cret-for-examples";

/// The path secret, which is the end of [`PATH`].
pub(crate) const SECRET: &str = "s3cret-for-examples";

/// Prints the address, and serves until the process is killed.
pub(crate) fn serve(kind: Kind) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let app = match kind {
            Kind::Bare => Router::new().route(PATH, post(async |_: Bytes| RECEIVED)),
            Kind::Parse => Router::new().route(PATH, post(parse)),
            Kind::Durable => receive(SqliteInbox::open(folder.path().join("inbox.db")).await?)?,
            Kind::OneCommit => receive(OneCommit::new(SqliteInbox::open(folder.path().join("inbox.db")).await?))?,
        };
        let listener = tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        println!("{}", listener.local_addr()?);
        axum::serve(listener, app).await.context("serve")
    })
}

/// The response body of every handler.
pub(crate) const RECEIVED: &str = r#"{"received":true}"#;

async fn parse(body: Bytes) -> &'static str {
    match WertEvent::read(&body) {
        Ok(_) => RECEIVED,
        Err(_) => "{}",
    }
}

fn receive(inbox: impl Inbox) -> anyhow::Result<Router> {
    let receiver = Receiver::builder(inbox).endpoint(Wert::with_path_secret(SECRET)).build()?;
    Ok(onramp_webhooks_axum::routes(receiver))
}

/// An inbox that commits every delivery separately.
#[derive(Debug)]
pub(crate) struct OneCommit(SqliteInbox, Mutex<()>);

impl OneCommit {
    pub(crate) fn new(inbox: SqliteInbox) -> Double<Self> {
        Double(Self(inbox, Mutex::default()))
    }
}

#[async_trait]
impl InboxDouble for OneCommit {
    fn inner(&self) -> &dyn Inbox {
        &self.0
    }

    async fn record(&self, delivery: NewDelivery) -> Result<Recorded, StoreError> {
        let _alone = self.1.lock().await;
        self.0.record(delivery).await
    }
}
