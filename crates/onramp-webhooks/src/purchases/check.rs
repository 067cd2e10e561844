//! The check that a completed purchase was started by the shop.

use std::time::Duration;

use async_trait::async_trait;

use super::{PurchaseStatus, PurchaseStore};
use crate::error::StoreError;
use crate::event::{CompletedPurchase, Currency};
use crate::telemetry;
use crate::worker::{Delivery, Handler, HandlerError};

/// Pause before a purchase that could not be looked up is tried again.
const UNTIL_THE_STORE_IS_BACK: Duration = Duration::from_secs(5);

/// A check for [`WorkerBuilder::before`](crate::worker::WorkerBuilder::before): a completed purchase passes only if the shop started
/// it, with the same asset, address, amount and additional fields. An asset, an address or an amount that was left to the customer is not
/// compared.
///
/// If the event does not name the currency of the paid amount, the handler gets the purchase with the currency that the shop
/// [stated](super::Purchase::fiat_currency) when it started it, if any.
///
/// Applies to providers whose purchases the shop [starts](crate::provider::Facts::starts_purchases): Kriptomat. Events of other
/// providers pass. Any other purchase becomes a dead letter at once: kept, logged as an error, counted in
/// `onramp_webhooks_dead_letters_total` and `onramp_webhooks_untrusted_purchases_total`, and not handled until an operator
/// [releases](super::release) it. The note names the difference, without any address. While the store cannot be read, purchases are
/// parked, which costs no attempt.
#[derive(Debug)]
pub struct KnownPurchases<S> {
    store: S,
}

impl<S: PurchaseStore> KnownPurchases<S> {
    /// Creates a check against `store`.
    #[must_use]
    pub const fn new(store: S) -> Self {
        Self { store }
    }

    /// Returns the reason to refuse the purchase.
    fn objection(status: &PurchaseStatus, completed: &CompletedPurchase) -> Option<Objection> {
        if status.released_at.is_some() {
            return None;
        }
        let Some(started) = &status.started else {
            return Some(Objection { reason: "unknown", text: "no purchase with this id was started".into() });
        };
        let differences: Vec<_> = started.differences(completed).iter().map(ToString::to_string).collect();
        let text = || format!("differs from the purchase that was started: {}", differences.join(", "));
        (!differences.is_empty()).then(|| Objection { reason: "different", text: text() })
    }
}

struct Objection {
    reason: &'static str,
    text: String,
}

#[async_trait]
impl<S: PurchaseStore> Handler for KnownPurchases<S> {
    async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError> {
        if !delivery.event().facts().starts_purchases {
            return Ok(());
        }
        let Some(mut completed) = delivery.completed_purchase()? else { return Ok(()) };
        let status = match &completed.order {
            Some(id) => self.store.find(id).await.map_err(not_read)?,
            None => PurchaseStatus::default(),
        };
        let stated = stated_currency(&status, delivery);
        completed.fiat.currency = stated.cloned().unwrap_or(completed.fiat.currency);
        match Self::objection(&status, &completed) {
            None => {
                if stated.is_some() {
                    delivery.confirm(completed);
                }
                Ok(())
            }
            Some(Objection { reason, text }) => {
                telemetry::untrusted(reason);
                Err(HandlerError::permanent(text))
            }
        }
    }
}

/// Returns the currency of the started purchase, unless the event names one.
fn stated_currency<'a>(status: &'a PurchaseStatus, delivery: &Delivery) -> Option<&'a Currency> {
    let is_unnamed = delivery.event().facts().default_fiat_currency.is_some();
    status.started.as_ref()?.fiat_currency.as_ref().filter(|_| is_unnamed)
}

fn not_read(error: StoreError) -> HandlerError {
    tracing::warn!(%error, "could not look up a started purchase");
    HandlerError::not_yet(UNTIL_THE_STORE_IS_BACK, error)
}
