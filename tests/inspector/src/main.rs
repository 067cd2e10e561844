//! Serves the inspector of a filled shop: `cargo run -p onramp-webhooks-inspector-tests -- [axum|actix|warp] [ADDRESS]`.
#![expect(clippy::print_stdout, reason = "the address is the output")]

use onramp_webhooks_inspector_tests::{Adapter, Controlled, Shop, TOKEN};

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let adapter = match arguments.first().map(String::as_str) {
        Some("actix") => Adapter::Actix,
        Some("warp") => Adapter::Warp,
        _ => Adapter::Axum,
    };
    let shop = Shop::open().await;
    let address = adapter.serve(Controlled::new(shop), arguments.get(1).map_or("127.0.0.1:0", String::as_str));
    println!("http://{address}/inspect/#k={TOKEN}");
    std::future::pending().await
}
