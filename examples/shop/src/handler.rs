//! What the shop does with an event.

use onramp_webhooks::{CompletedPurchase, Delivery, Handler, HandlerError, async_trait};
use tokio::task::{JoinError, spawn_blocking};

use crate::{Points, output};

/// Credits points for completed purchases, and says on standard output what was handled.
#[derive(Debug)]
pub(crate) struct Loyalty(pub(crate) Points);

#[async_trait]
impl Handler for Loyalty {
    async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError> {
        // Trying again would not make an unclear purchase any clearer: it goes straight to a person.
        let purchase = delivery.event().completed_purchase().map_err(HandlerError::permanent)?;
        let (points, delivery) = (self.0.clone(), delivery.clone());
        let handled = spawn_blocking(move || {
            if let Some(purchase) = purchase {
                credit(&points, &delivery, &purchase)?;
            }
            output::handled(&delivery);
            Ok(())
        });
        handled.await.unwrap_or_else(|error: JoinError| Err(error.into()))
    }
}

/// One point per unit of fiat, under the event's own key: a second attempt, after a crash, credits nothing.
fn credit(points: &Points, delivery: &Delivery, purchase: &CompletedPurchase) -> Result<(), HandlerError> {
    // Somebody paid, and only a person can find out who.
    let customer =
        purchase.customer.primary().ok_or_else(|| HandlerError::permanent("a completed purchase that names no customer"))?;
    let key = delivery.key().map_or_else(|| format!("delivery/{}", delivery.id()), ToString::to_string);
    points.credit(&key, customer, &purchase.fiat.amount.to_decimal())?;
    Ok(())
}
