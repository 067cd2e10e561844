//! `POST /buy`: starts Kriptomat's widget for a customer, and answers where to send them.

use std::sync::Arc;

use onramp_webhooks::event::Amount;
use onramp_webhooks::purchases::PurchaseStore;
use onramp_webhooks_client::kriptomat::{KriptomatApi, WidgetRequest};
use onramp_webhooks_client::{ClientError, ClientErrorKind};
use serde::Deserialize;
use serde_json::json;

use crate::Answer;

/// Starts widgets, and writes them down.
#[derive(Clone, Debug)]
pub(crate) struct Widgets {
    pub(crate) api: KriptomatApi,
    pub(crate) purchases: Arc<dyn PurchaseStore>,
    /// Where Kriptomat sends the postback, when it does not know it already.
    pub(crate) webhook_url: Option<String>,
}

/// What a customer wants. Amounts are texts, so that they stay exact.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    customer: String,
    fiat_amount: Option<String>,
    crypto_amount: Option<String>,
    asset: Option<String>,
    network: Option<String>,
    address: Option<String>,
}

impl Widgets {
    pub(crate) async fn buy(&self, body: &[u8]) -> Answer {
        let request = match serde_json::from_slice(body).map_err(|error| error.to_string()).and_then(|wish| self.request(wish)) {
            Ok(request) => request,
            Err(reason) => return Answer::json(400, &json!({ "error": reason })),
        };
        match self.api.start(&request, &*self.purchases).await {
            Ok(widget) => Answer::json(200, &json!({ "url": widget.url })),
            Err(error) => refused(&error),
        }
    }

    fn request(&self, wish: Wish) -> Result<WidgetRequest, String> {
        let mut request = WidgetRequest::new().additional_field(0, wish.customer);
        if let Some(amount) = wish.fiat_amount {
            request = request.fiat_amount(read("fiat_amount", &amount)?);
        }
        if let Some(amount) = wish.crypto_amount {
            request = request.crypto_amount(read("crypto_amount", &amount)?);
        }
        if let Some(asset) = wish.asset {
            request = request.asset_type(asset);
        }
        if let Some(network) = wish.network {
            request = request.network(network);
        }
        if let Some(address) = wish.address {
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

/// What the customer did wrong is said; the rest is for the log.
fn refused(error: &ClientError) -> Answer {
    if error.kind() == ClientErrorKind::Invalid {
        return Answer::json(400, &json!({ "error": error.to_string() }));
    }
    tracing::error!(%error, "no widget was started");
    Answer::json(503, &json!({ "error": "no widget could be started" }))
}
