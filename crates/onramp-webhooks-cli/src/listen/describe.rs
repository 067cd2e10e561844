//! The parts of an event that lines show: its type, its order and its money, but no customer.

use std::sync::Arc;

use onramp_webhooks::event::Amount;
use onramp_webhooks::inbox::NewDelivery;
use onramp_webhooks::provider::Providers;
use onramp_webhooks::{Event, Money, WertEvent};

/// A described event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Described {
    pub(super) endpoint: Arc<str>,
    pub(super) event_type: Option<String>,
    pub(super) order: Option<String>,
    pub(super) paid: Option<Money>,
    pub(super) bought: Option<Money>,
    /// The reason for quarantine.
    pub(super) unreadable: Option<String>,
}

impl Described {
    /// Describes a delivery before it is recorded.
    pub(super) fn new(delivery: &NewDelivery, providers: &Providers) -> Self {
        let described = Self {
            endpoint: Arc::clone(&delivery.endpoint),
            event_type: delivery.event_type.clone(),
            unreadable: delivery.quarantine.as_ref().map(|quarantine| quarantine.reason.clone()),
            ..Self::default()
        };
        match providers.read(&delivery.provider, &delivery.body) {
            Ok(event) if described.unreadable.is_none() => described.with(&event),
            _ => described,
        }
    }

    fn with(mut self, event: &Event) -> Self {
        if let Ok(Some(purchase)) = event.completed_purchase() {
            self.order = purchase.order.map(|order| order.as_str().to_owned());
            self.paid = Some(purchase.fiat);
            self.bought = Some(purchase.crypto);
        } else if let Some(order) = event.get::<WertEvent>().and_then(|event| event.payload.order()) {
            let money = |amount: &Option<Amount>, currency: &Option<_>| {
                amount
                    .as_ref()
                    .zip(currency.as_ref())
                    .map(|(amount, currency)| Money::new(amount.clone(), Clone::clone(currency)))
            };
            self.order = order.id.as_ref().map(|id| id.as_str().to_owned());
            self.paid = money(&order.quote_amount, &order.quote);
            self.bought = money(&order.base_amount, &order.base);
        }
        self
    }
}
