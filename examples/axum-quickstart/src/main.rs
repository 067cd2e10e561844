//! Run with `cargo run -p axum-quickstart`.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::ConnectInfo;
use onramp_webhooks_axum::core::{Delivery, HandlerError, Kriptomat, Receiver, TransactionalHandler, Wert, async_trait};
use onramp_webhooks_axum::{health, routes};
use onramp_webhooks_server::Server;
use onramp_webhooks_sqlite::{SqliteInbox, SqliteTransaction};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

const TABLE: &str =
    "CREATE TABLE IF NOT EXISTS purchases (key TEXT PRIMARY KEY, customer TEXT, amount TEXT, currency TEXT) STRICT";

struct Shop;

#[async_trait]
impl TransactionalHandler<SqliteTransaction> for Shop {
    /// Stores a completed purchase in the transaction that completes the delivery: both are committed, or neither is.
    async fn handle(&self, delivery: &Delivery, transaction: &mut SqliteTransaction) -> Result<(), HandlerError> {
        let Some(purchase) = delivery.completed_purchase()? else { return Ok(()) };
        let (key, customer) = (delivery.key().map(ToString::to_string), purchase.customer_id()?.to_owned());
        let row = (key, customer, purchase.fiat.amount.to_string(), purchase.fiat.currency.to_string());
        transaction.call(|connection| connection.execute("INSERT INTO purchases VALUES (?, ?, ?, ?)", row)).await?;
        println!("{} paid {} for {}", purchase.customer_id()?, purchase.fiat, purchase.crypto);
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let inbox = Arc::new(SqliteInbox::open("quickstart.db").await?);
    inbox.call(|connection| connection.execute_batch(TABLE)).await?;
    let listener = TcpListener::bind(std::env::var("LISTEN").unwrap_or("127.0.0.1:8080".to_owned())).await?;
    let address = listener.local_addr()?;
    let wert = std::env::var("WERT_SECRET").map_or_else(|_| Wert::for_development(address), Wert::with_path_secret);
    let receiver = Receiver::builder(Arc::clone(&inbox)).endpoint(wert).endpoint(Kriptomat::production()).build()?;
    let worker = receiver.transactional_worker(Arc::clone(&inbox), Shop).spawn();

    let app = Router::new().nest("/webhooks", routes(receiver.clone())).route("/healthz", health(receiver));
    println!("listening on http://{address}");
    Server::new(listener).serve(app, ConnectInfo::<SocketAddr>, shutdown_signal()?).await;
    worker.shutdown().await;
    inbox.close().await?;
    Ok(())
}

/// Returns a future that resolves at the first SIGINT or SIGTERM.
fn shutdown_signal() -> std::io::Result<impl Future<Output = ()>> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
