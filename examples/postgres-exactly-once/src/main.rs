//! Handles each purchase exactly once on PostgreSQL: the handler writes in the transaction that completes the delivery.
//! Run with `DATABASE_URL=postgres://postgres@127.0.0.1/postgres cargo run -p postgres-exactly-once`.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::ConnectInfo;
use onramp_webhooks_axum::core::{Delivery, HandlerError, Kriptomat, Receiver, TransactionalHandler, Wert, async_trait};
use onramp_webhooks_axum::{health, routes};
use onramp_webhooks_postgres::{PostgresOptions, PostgresTransaction};
use onramp_webhooks_server::Server;
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

const TABLE: &str =
    "CREATE TABLE IF NOT EXISTS balances (customer TEXT, currency TEXT, paid NUMERIC, PRIMARY KEY (customer, currency))";
const CREDIT: &str = "INSERT INTO balances VALUES ($1, $2, $3::numeric)
    ON CONFLICT (customer, currency) DO UPDATE SET paid = balances.paid + excluded.paid";

struct Shop;

#[async_trait]
impl TransactionalHandler<PostgresTransaction> for Shop {
    /// Adds the purchase to the customer's balance. An addition may only happen once: no key of the delivery is needed for
    /// that, since the balance and the completed delivery are committed together.
    async fn handle(&self, delivery: &Delivery, transaction: &mut PostgresTransaction) -> Result<(), HandlerError> {
        let Some(purchase) = delivery.completed_purchase()? else { return Ok(()) };
        sqlx::query(CREDIT)
            .bind(purchase.customer_id()?)
            .bind(purchase.fiat.currency.to_string())
            .bind(purchase.fiat.amount.to_string())
            .execute(&mut **transaction)
            .await?;
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let pool = PgPool::connect(&std::env::var("DATABASE_URL")?).await?;
    sqlx::query(TABLE).execute(&pool).await?;
    let inbox = Arc::new(PostgresOptions::new(pool).open().await?);
    let listener = TcpListener::bind(std::env::var("LISTEN").unwrap_or("127.0.0.1:8080".to_owned())).await?;
    let address = listener.local_addr()?;
    let wert = std::env::var("WERT_SECRET").map_or_else(|_| Wert::for_development(address), Wert::with_path_secret);
    let receiver = Receiver::builder(Arc::clone(&inbox)).endpoint(wert).endpoint(Kriptomat::production()).build()?;
    let worker = receiver.transactional_worker(inbox, Shop).spawn();

    let app = Router::new().nest("/webhooks", routes(receiver.clone())).route("/healthz", health(receiver));
    println!("listening on http://{address}");
    Server::new(listener).serve(app, ConnectInfo::<SocketAddr>, shutdown_signal()?).await;
    worker.shutdown().await;
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
