//! Handles only the purchases that Wert's Data API confirms, and finds the events that Wert did not deliver.
//! Run with `WERT_API_KEY=.. cargo run -p wert-confirmation`.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use onramp_webhooks_axum::core::{Delivery, Handler, HandlerError, Receiver, Wert, async_trait};
use onramp_webhooks_axum::{health, routes};
use onramp_webhooks_client::wert::{Confirmation, Reconciler, WertDataApi};
use onramp_webhooks_server::Server;
use onramp_webhooks_sqlite::SqliteInbox;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

struct Shop;

#[async_trait]
impl Handler for Shop {
    async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError> {
        let Some(purchase) = delivery.completed_purchase()? else { return Ok(()) };
        println!("Wert confirms that {} paid {} for {}", purchase.customer_id()?, purchase.fiat, purchase.crypto);
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let api = WertDataApi::production(std::env::var("WERT_API_KEY")?).build()?;
    let inbox = Arc::new(SqliteInbox::open("confirmed.db").await?);
    let listener = TcpListener::bind(std::env::var("LISTEN").unwrap_or("127.0.0.1:8080".to_owned())).await?;
    let address = listener.local_addr()?;
    let wert = std::env::var("WERT_SECRET").map_or_else(|_| Wert::for_development(address), Wert::with_path_secret);
    let receiver = Receiver::builder(Arc::clone(&inbox)).endpoint(wert).build()?;
    let worker = receiver
        .worker(Shop)
        .before(Confirmation::new(api.clone()))
        .periodic_task(Duration::from_secs(600), Reconciler::new(api, Arc::<SqliteInbox>::clone(&inbox), "wert"))
        .spawn();

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
