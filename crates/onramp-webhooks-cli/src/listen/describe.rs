//! The parts of an event that lines show: its type, its order and its money, but no customer.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use onramp_webhooks::event::Amount;
use onramp_webhooks::inbox::NewDelivery;
use onramp_webhooks::provider::{ProviderName, Providers};
use onramp_webhooks::{Event, Money, WertEvent};

/// The largest body that waits to be read, in bytes. Larger ones are read at once, so that those that wait need little memory.
const LARGEST: usize = 16 * 1_024;

/// A described event. Its body is read where it is shown, so that the receiver does not wait for that.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Described {
    pub(super) endpoint: Arc<str>,
    pub(super) event_type: Option<String>,
    pub(super) order: Option<String>,
    pub(super) paid: Option<Money>,
    pub(super) bought: Option<Money>,
    /// The reason for quarantine.
    pub(super) unreadable: Option<String>,
    /// The body that is not read yet.
    pub(super) body: Option<(ProviderName, Bytes)>,
}

impl Described {
    /// Describes a delivery before it is recorded.
    pub(super) fn new(delivery: &NewDelivery) -> Self {
        let is_readable = delivery.quarantine.is_none();
        let mut described = Self {
            endpoint: Arc::clone(&delivery.endpoint),
            event_type: delivery.event_type.clone(),
            unreadable: delivery.quarantine.as_ref().map(|quarantine| quarantine.reason.clone()),
            // A copy, because a body may be a part of the buffer of its connection, which is used again.
            body: is_readable.then(|| (delivery.provider.clone(), Bytes::copy_from_slice(&delivery.body))),
            ..Self::default()
        };
        if delivery.body.len() > LARGEST {
            described.read(&Providers::default());
        }
        described
    }

    /// Reads the order and the money from the body, unless that was done before.
    pub(super) fn read(&mut self, providers: &Providers) {
        let event = self.body.take().and_then(|(provider, body)| providers.read(&provider, &body).ok());
        if let Some(event) = event {
            self.show(&event);
        }
    }

    fn show(&mut self, event: &Event) {
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
    }
}

impl fmt::Debug for Described {
    /// Leaves out the body, which holds personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Described").field("endpoint", &self.endpoint).field("type", &self.event_type).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use onramp_webhooks::clock::Timestamp;
    use onramp_webhooks_testkit::events::WertOrder;

    use super::*;

    fn described(body: Bytes) -> Described {
        Described::new(&NewDelivery::new("wert", "wert", Timestamp::from_millis(0), body))
    }

    #[test]
    fn orders_have_their_money_and_large_bodies_do_not_wait() {
        let order = WertOrder::new().with("id", "order-7").fiat("49.00", "EUR").crypto("0.01672", "ETH");
        for body in [order.payment_started(), order.complete(), order.failed()] {
            let mut small = described(body.clone());
            assert!(small.order.is_none() && !format!("{small:?}").contains("shop-20418"));
            small.read(&Providers::default());
            assert_eq!(small.order.as_deref(), Some("order-7"));
            assert_eq!(
                (small.paid.clone().unwrap().to_string(), small.bought.clone().unwrap().to_string()),
                ("49.00 EUR".into(), "0.01672 ETH".into())
            );
            let padded = [&*body, &[b' '; LARGEST]].concat();
            assert_eq!(described(padded.into()), small, "without its body");
        }
        let mut unreadable = described("no JSON".into());
        unreadable.read(&Providers::default());
        assert_eq!((unreadable.order, unreadable.paid), (None, None));
    }
}
