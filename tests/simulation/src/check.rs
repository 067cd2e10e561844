//! The check before the handler: asks the API before a purchase of Wert's is believed.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use onramp_webhooks::{Delivery, Handler, HandlerError};

use crate::Bug;
use crate::life::Life;
use crate::world::World;

/// Pause before the API is asked again.
const AGAIN: Duration = Duration::from_secs(3);

pub(crate) struct Confirmation {
    pub(crate) world: Arc<World>,
    pub(crate) life: Arc<Life>,
}

#[async_trait]
impl Handler for Confirmation {
    async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError> {
        self.life.runs().await;
        let is_wert = &**delivery.endpoint() == "wert";
        let Some(purchase) = delivery.completed_purchase()?.filter(|_| is_wert) else { return Ok(()) };
        let order = purchase.order.as_ref().map_or("", |order| order.as_str());
        let row = self.world.api.ask(&self.world, order).await;
        self.life.runs().await;
        self.world.note(format_args!("{} asks the API about {}: {row:?}", self.life.number(), delivery.id()));
        if self.world.bug == Some(Bug::BelievesEvents) {
            return Ok(());
        }
        match row? {
            Some(row) if row.order == order && row.is_final && (&row.crypto, &row.fiat) == (&purchase.crypto, &purchase.fiat) => {
                Ok(())
            }
            _ => Err(HandlerError::not_yet(AGAIN, "the API does not confirm it")),
        }
    }
}
