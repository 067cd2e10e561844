//! Lines on standard output.

use std::io::Write;
use std::net::SocketAddr;

use onramp_webhooks::Delivery;
use serde::Serialize;

#[derive(Serialize)]
struct Handled<'a> {
    handled: bool,
    provider: &'a str,
    r#type: &'a str,
    key: Option<String>,
    delivery: String,
    attempt: u32,
}

pub(crate) fn listening(address: SocketAddr) {
    line(&format!("listening on http://{address}"));
}

pub(crate) fn handled(delivery: &Delivery) {
    let handled = Handled {
        handled: true,
        provider: delivery.provider().as_str(),
        r#type: delivery.event().type_name(),
        key: delivery.key().map(ToString::to_string),
        delivery: delivery.id().to_string(),
        attempt: delivery.attempt(),
    };
    match serde_json::to_string(&handled) {
        Ok(json) => line(&json),
        Err(error) => tracing::error!(%error, "could not format the line of a delivery"),
    }
}

/// Prints a line. The shop continues if standard output is closed.
fn line(line: &str) {
    let mut stdout = std::io::stdout().lock();
    if let Err(error) = stdout.write_all(format!("{line}\n").as_bytes()).and_then(|()| stdout.flush()) {
        tracing::debug!(%error, "standard output is closed");
    }
}
