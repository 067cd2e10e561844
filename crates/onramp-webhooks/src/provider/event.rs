//! One type for the events of all providers.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use super::{Facts, Provider, ProviderEvent, ProviderName};
use crate::event::{CompletedPurchase, Currency, Money, UnclearPurchase};
use crate::identity::Identity;

/// The event of a delivery, in its provider's own type.
///
/// ```
/// use onramp_webhooks::provider::{Event, ProviderEvent};
/// use onramp_webhooks::wert::WertPayload;
/// use onramp_webhooks::{Wert, WertEvent};
///
/// let event = Event::new::<Wert>(WertEvent::read(br#"{"type":"login","click_id":"shop-20418"}"#)?);
/// assert_eq!(event.type_name(), "login");
/// if let Some(event) = event.get::<WertEvent>() {
///     assert!(matches!(event.payload, WertPayload::Login(_)));
/// }
/// # Ok::<(), onramp_webhooks::event::DecodeError>(())
/// ```
#[derive(Clone)]
pub struct Event {
    facts: &'static Facts,
    content: Arc<dyn Content>,
    /// The fiat currencies of its endpoint.
    fiat_currencies: Arc<[Currency]>,
}

impl Event {
    /// Wraps an event of the provider `P`.
    #[must_use]
    pub fn new<P: Provider>(event: P::Event) -> Self {
        Self { facts: const { &P::FACTS }, content: Arc::new(event), fiat_currencies: Arc::default() }
    }

    /// Sets the fiat currencies of its endpoint.
    pub(crate) fn paid_in(mut self, currencies: Arc<[Currency]>) -> Self {
        self.fiat_currencies = currencies;
        self
    }

    /// Returns the event as `E`, the event type of one provider; `None` if another provider sent it.
    #[must_use]
    pub fn get<E: ProviderEvent>(&self) -> Option<&E> {
        self.content.as_any().downcast_ref()
    }

    /// Returns the name of the provider.
    #[must_use]
    pub const fn provider(&self) -> ProviderName {
        self.facts.name()
    }

    /// Returns the facts about the provider.
    #[must_use]
    pub const fn facts(&self) -> &'static Facts {
        self.facts
    }

    /// Returns the event's type as it was received; see [`ProviderEvent::type_name`].
    #[must_use]
    pub fn type_name(&self) -> &str {
        self.content.type_name()
    }

    /// Returns the event's type for labels of metrics; see [`ProviderEvent::type_label`].
    #[must_use]
    pub fn type_label(&self) -> &'static str {
        self.content.type_label()
    }

    /// Returns the purchase if the event reports a completed one; see [`ProviderEvent::completed_purchase`]. The event of a
    /// [delivery](crate::Delivery) knows the currencies of its endpoint ([`Endpoint::fiat_currency`](super::Endpoint::fiat_currency)),
    /// which decide an unclear purchase and replace the [default](Facts::default_fiat_currency) of one whose currency is not named.
    ///
    /// # Errors
    /// Returns an error if a purchase is complete and its paid and bought sides cannot be distinguished.
    pub fn completed_purchase(&self) -> Result<Option<CompletedPurchase>, UnclearPurchase> {
        match self.content.completed_purchase() {
            Err(unclear) => unclear.paid_in(&self.fiat_currencies).map(Some),
            Ok(Some(mut purchase)) if self.facts.default_fiat_currency.is_some() => {
                purchase.fiat.currency = self.fiat_currencies.last().cloned().unwrap_or(purchase.fiat.currency);
                Ok(Some(purchase))
            }
            reported => reported,
        }
    }

    /// Returns the amounts of a completed purchase, also of an unclear one; empty for other events. They do not depend on the endpoint,
    /// because duplicates are compared by them.
    pub(crate) fn money(&self) -> Vec<Money> {
        match self.content.completed_purchase() {
            Ok(Some(purchase)) => vec![purchase.fiat, purchase.crypto],
            Ok(None) => Vec::new(),
            Err(unclear) => vec![unclear.base().clone(), unclear.quote().clone()],
        }
    }

    /// Returns the identity of the event; see [`ProviderEvent::identity`].
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.content.identity()
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.content.fmt(f)
    }
}

/// [`ProviderEvent`] as an object-safe trait.
trait Content: fmt::Debug + Send + Sync {
    fn as_any(&self) -> &dyn Any;
    fn type_name(&self) -> &str;
    fn type_label(&self) -> &'static str;
    fn completed_purchase(&self) -> Result<Option<CompletedPurchase>, UnclearPurchase>;
    fn identity(&self) -> Identity;
}

impl<E: ProviderEvent> Content for E {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn type_name(&self) -> &str {
        ProviderEvent::type_name(self)
    }

    fn type_label(&self) -> &'static str {
        ProviderEvent::type_label(self)
    }

    fn completed_purchase(&self) -> Result<Option<CompletedPurchase>, UnclearPurchase> {
        ProviderEvent::completed_purchase(self)
    }

    fn identity(&self) -> Identity {
        ProviderEvent::identity(self)
    }
}
