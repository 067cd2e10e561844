//! The servers under load. Each runs in its own process, so that its memory can be measured.

use std::net::SocketAddr;

use anyhow::Context;
use async_trait::async_trait;
use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::{
    ClaimRequest, Claims, Counts, DeliveryId, Filter, Inbox, Lease, NewDelivery, Record, Recorded, Replayed, Retention,
    Settlement, State,
};
use onramp_webhooks::provider::ProviderEvent as _;
use onramp_webhooks::{Receiver, StoreError, Wert, WertEvent};
use onramp_webhooks_sqlite::SqliteInbox;
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
pub(crate) const PATH: &str = "/wert/secret";

/// The path secret, which is the end of [`PATH`].
pub(crate) const SECRET: &str = "secret";

/// Prints the address, and serves until the process is killed.
pub(crate) fn serve(kind: Kind) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let app = match kind {
            Kind::Bare => Router::new().route(PATH, post(async |_: Bytes| RECEIVED)),
            Kind::Parse => Router::new().route(PATH, post(parse)),
            Kind::Durable => receive(SqliteInbox::open(folder.path().join("inbox.db")).await?)?,
            Kind::OneCommit => receive(OneCommit(Mutex::new(SqliteInbox::open(folder.path().join("inbox.db")).await?)))?,
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
pub(crate) struct OneCommit(pub(crate) Mutex<SqliteInbox>);

#[async_trait]
impl Inbox for OneCommit {
    async fn record(&self, delivery: NewDelivery) -> Result<Recorded, StoreError> {
        self.0.lock().await.record(delivery).await
    }

    async fn claim(&self, now: Timestamp, request: ClaimRequest) -> Result<Claims, StoreError> {
        self.0.lock().await.claim(now, request).await
    }

    async fn renew(&self, leases: Vec<Lease>, until: Timestamp) -> Result<Vec<Lease>, StoreError> {
        self.0.lock().await.renew(leases, until).await
    }

    async fn settle(&self, now: Timestamp, settlements: Vec<Settlement>) -> Result<Vec<Lease>, StoreError> {
        self.0.lock().await.settle(now, settlements).await
    }

    async fn wait_for_work(&self) {
        std::future::pending().await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.0.lock().await.check().await
    }

    async fn list(&self, filter: Filter) -> Result<Vec<Record>, StoreError> {
        self.0.lock().await.list(filter).await
    }

    async fn show(&self, id: DeliveryId) -> Result<Option<Record>, StoreError> {
        self.0.lock().await.show(id).await
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        self.0.lock().await.counts().await
    }

    async fn requeue(&self, id: DeliveryId, seen: State, reread: Option<NewDelivery>) -> Result<Replayed, StoreError> {
        self.0.lock().await.requeue(id, seen, reread).await
    }

    async fn prune(&self, now: Timestamp, retention: Retention) -> Result<u64, StoreError> {
        self.0.lock().await.prune(now, retention).await
    }
}
