//! Run with `cargo run -p actix-quickstart`.

use std::error::Error;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::{App, HttpServer, web};
use onramp_webhooks_actix::core::{Delivery, HandlerError, Kriptomat, Receiver, TransactionalHandler, Wert, async_trait};
use onramp_webhooks_actix::{health, routes};
use onramp_webhooks_sqlite::{SqliteInbox, SqliteTransaction};

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

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let inbox = Arc::new(SqliteInbox::open("quickstart.db").await?);
    inbox.call(|connection| connection.execute_batch(TABLE)).await?;
    let listener = TcpListener::bind(std::env::var("LISTEN").unwrap_or("127.0.0.1:8080".to_owned()))?;
    let address = listener.local_addr()?;
    let wert = std::env::var("WERT_SECRET").map_or_else(|_| Wert::for_development(address), Wert::with_path_secret);
    let receiver = Receiver::builder(Arc::clone(&inbox)).endpoint(wert).endpoint(Kriptomat::production()).build()?;
    let worker = receiver.transactional_worker(Arc::clone(&inbox), Shop).spawn();

    let app = move || {
        let webhooks = web::scope("/webhooks").service(routes(receiver.clone()));
        App::new().service(webhooks).route("/healthz", health(receiver.clone()))
    };
    println!("listening on http://{address}");
    // Actix shuts down gracefully at SIGINT and SIGTERM. Load balancers reuse connections that were idle for up to 60 s.
    HttpServer::new(app).keep_alive(Duration::from_secs(75)).max_connections(256).listen(listener)?.run().await?;
    worker.shutdown().await;
    inbox.close().await?;
    Ok(())
}
