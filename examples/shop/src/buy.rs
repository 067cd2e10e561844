//! `POST /buy`: starts a widget of Kriptomat for a customer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use onramp_webhooks::event::Amount;
use onramp_webhooks::purchases::PurchaseStore;
use onramp_webhooks_client::kriptomat::{KriptomatApi, WidgetRequest};
use onramp_webhooks_client::{ClientError, ClientErrorKind};
use serde::Deserialize;
use serde_json::json;

use crate::Response;
use crate::waiting::Waiting;

/// The maximum size of a purchase request in bytes.
pub const LARGEST_REQUEST: usize = 16 * 1024;

/// The time that the body of a purchase request may take.
const BODY_TIME: Duration = Duration::from_secs(10);

/// Starts and stores widgets.
#[derive(Clone, Debug)]
pub(crate) struct Widgets {
    pub(crate) api: KriptomatApi,
    pub(crate) purchases: Arc<dyn PurchaseStore>,
    /// The URL for postbacks. Without it, Kriptomat uses the URL that is set in its dashboard.
    pub(crate) webhook_url: Option<String>,
    pub(crate) waiting: Waiting,
}

/// A customer's purchase request. Amounts are strings, which keeps them exact.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PurchaseRequest {
    customer: String,
    fiat_amount: Option<String>,
    crypto_amount: Option<String>,
    asset: Option<String>,
    network: Option<String>,
    address: Option<String>,
}

/// Waits for the body of a purchase request.
///
/// # Errors
/// Returns a response with status 408 if the body takes longer than 10 s.
pub async fn in_time<B>(body: impl Future<Output = B>) -> Result<B, Response> {
    let late = |_| Response::json(408, &json!({ "error": "the body took too long" }));
    tokio::time::timeout(BODY_TIME, body).await.map_err(late)
}

impl Widgets {
    pub(crate) async fn buy(&self, body: &[u8]) -> Response {
        let request =
            match serde_json::from_slice(body).map_err(|error| error.to_string()).and_then(|wanted| self.request(wanted)) {
                Ok(request) => request,
                Err(reason) => return Response::json(400, &json!({ "error": reason })),
            };
        let Some(place) = self.waiting.place(Instant::now()) else {
            tracing::warn!("no widget was started: too many purchases wait for payment (BUY_LIMIT)");
            return Response::json(429, &json!({ "error": "too many purchases wait for payment" }));
        };
        match self.api.start(&request, &*self.purchases).await {
            Ok(widget) => {
                place.keep(widget.uuid.as_ref().map_or("", AsRef::as_ref), Instant::now());
                Response::json(200, &json!({ "url": widget.url }))
            }
            Err(error) => refused(&error),
        }
    }

    fn request(&self, wanted: PurchaseRequest) -> Result<WidgetRequest, String> {
        let mut request = WidgetRequest::new().additional_field(0, wanted.customer);
        if let Some(amount) = wanted.fiat_amount {
            request = request.fiat_amount(read("fiat_amount", &amount)?);
        }
        if let Some(amount) = wanted.crypto_amount {
            request = request.crypto_amount(read("crypto_amount", &amount)?);
        }
        if let Some(asset) = wanted.asset {
            request = request.asset_type(asset);
        }
        if let Some(network) = wanted.network {
            request = request.network(network);
        }
        if let Some(address) = wanted.address {
            request = request.to_address(address);
        }
        Ok(match &self.webhook_url {
            Some(url) => request.webhook_url(url),
            None => request,
        })
    }
}

fn read(field: &str, amount: &str) -> Result<Amount, String> {
    amount.parse().map_err(|_| format!("{field}: not an amount"))
}

/// Reports invalid values to the customer, and logs every other error.
fn refused(error: &ClientError) -> Response {
    if error.kind() == ClientErrorKind::Invalid {
        return Response::json(400, &json!({ "error": error.to_string() }));
    }
    tracing::error!(%error, "could not start a widget");
    Response::json(503, &json!({ "error": "no widget could be started" }))
}
