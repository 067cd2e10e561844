//! The check before the handler.

use std::time::Duration;

use async_trait::async_trait;

use super::{KnownPurchase, StartedPurchases};
use crate::delivery::Delivery;
use crate::event::Event;
use crate::handler::{Handler, HandlerError};
use crate::kriptomat::KriptomatPostback;
use crate::store_error::StoreError;
use crate::telemetry;

/// Pause before the store is asked again that could not be read.
const UNTIL_IT_IS_READ: Duration = Duration::from_secs(5);

/// Lets a postback of Kriptomat pass only if its purchase was started here, and is what was asked for; for
/// [`WorkerBuilder::before`](crate::worker::WorkerBuilder::before).
///
/// Another one is a dead letter at once: kept, an error in the log, counted in `onramp_webhooks_dead_letters_total` and
/// `onramp_webhooks_untrusted_postbacks_total`, and not handled until [`release`](super::release). Its text tells what differs, and no
/// address. What other providers send passes. While the store cannot be read, postbacks wait; that costs no attempt.
///
/// A duplicate of a dead letter arms it again, as always; then it is checked again.
#[derive(Debug)]
pub struct KnownPurchases<S> {
    purchases: S,
    amounts: bool,
}

impl<S: StartedPurchases> KnownPurchases<S> {
    /// Asks `purchases` for the `uuid`; compares asset and address, where they were asked for.
    #[must_use]
    pub const fn new(purchases: S) -> Self {
        Self { purchases, amounts: false }
    }

    /// Compares the amount, too, where one was asked for: the customer, who knows the `uuid`, could only lie about that. By default it is not
    /// compared, because Kriptomat does not promise that the customer cannot change it.
    #[must_use]
    pub const fn with_amounts(mut self) -> Self {
        self.amounts = true;
        self
    }

    /// Why the postback is not trustworthy.
    fn objection(&self, known: &KnownPurchase, postback: &KriptomatPostback) -> Option<Objection> {
        if known.released_at.is_some() {
            return None;
        }
        let Some(started) = &known.started else {
            return Some(Objection { reason: "unknown", text: "no widget was started with this uuid".into() });
        };
        let mut differences = started.differences(postback);
        differences.retain(|difference| self.amounts || !difference.is_of_amount());
        let differences: Vec<_> = differences.iter().map(ToString::to_string).collect();
        let text = || format!("not what was asked for when the widget was started: {}", differences.join(", "));
        (!differences.is_empty()).then(|| Objection { reason: "different", text: text() })
    }
}

struct Objection {
    reason: &'static str,
    text: String,
}

#[async_trait]
impl<S: StartedPurchases> Handler for KnownPurchases<S> {
    async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError> {
        let Event::Kriptomat(postback) = delivery.event() else { return Ok(()) };
        let known = self.purchases.find(&postback.uuid).await.map_err(not_read)?;
        match self.objection(&known, postback) {
            None => Ok(()),
            Some(Objection { reason, text }) => {
                telemetry::untrusted(reason);
                Err(HandlerError::permanent(text))
            }
        }
    }
}

fn not_read(error: StoreError) -> HandlerError {
    tracing::warn!(%error, "could not look up whether a purchase was started");
    HandlerError::not_yet(UNTIL_IT_IS_READ, error)
}
