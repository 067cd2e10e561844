//! Deliveries for handlers.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::HandlerError;
use crate::clock::Timestamp;
use crate::delivery::DeliveryId;
use crate::event::{self, CompletedPurchase, Currency, RawJson};
use crate::identity::DedupKey;
use crate::inbox::ClaimedDelivery;
use crate::provider::{Event, ProviderEvent, ProviderName, Providers, ReadError};

/// A delivery for a [`Handler`](crate::Handler): the typed event, the raw bytes and the history.
#[derive(Clone)]
pub struct Delivery {
    event: Event,
    claimed: ClaimedDelivery,
    /// The purchase as a check knows it.
    confirmed: OnceLock<CompletedPurchase>,
    sandbox: OnceLock<()>,
}

impl Delivery {
    /// Reads the event of a claimed delivery.
    ///
    /// # Errors
    /// Returns an error if `providers` do not include its provider, or if this version cannot read its body.
    pub fn read(claimed: ClaimedDelivery, providers: &Providers) -> Result<Self, ReadError> {
        let event = providers.read(&claimed.provider, &claimed.body)?;
        Ok(Self { event, claimed, confirmed: OnceLock::new(), sandbox: OnceLock::new() })
    }

    /// Sets the fiat currencies of its endpoint, if any were stated.
    pub(super) fn paid_in(mut self, currencies: &HashMap<Arc<str>, Arc<[Currency]>>) -> Self {
        if let Some(stated) = currencies.get(self.endpoint()) {
            self.event = self.event.paid_in(Arc::clone(stated));
        }
        self
    }

    /// Returns the event.
    #[must_use]
    pub const fn event(&self) -> &Event {
        &self.event
    }

    /// Returns the event in the type of one provider; `None` if another provider sent it.
    ///
    /// ```
    /// use onramp_webhooks::wert::{WertEvent, WertPayload};
    /// use onramp_webhooks::{Delivery, KriptomatPostback};
    ///
    /// fn describe(delivery: &Delivery) -> String {
    ///     if let Some(event) = delivery.event_as::<WertEvent>() {
    ///         return match &event.payload {
    ///             WertPayload::OrderFailed(order) => format!("order {:?} failed", order.id),
    ///             payload => payload.type_name().to_owned(),
    ///         };
    ///     }
    ///     match delivery.event_as::<KriptomatPostback>() {
    ///         Some(postback) => format!("{} was bought", postback.asset_type),
    ///         None => "an event of another provider".to_owned(),
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn event_as<E: ProviderEvent>(&self) -> Option<&E> {
        self.event.get()
    }

    /// Returns the purchase if the event reports a completed one: Wert's `order_complete` or Kriptomat's postback. A test or a
    /// transfer that has only started is not a completed purchase.
    ///
    /// If a check has [confirmed](Self::confirm) the purchase, it is returned as the check knows it.
    ///
    /// # Errors
    /// Returns a permanent error if a purchase is complete and its paid and bought sides cannot be distinguished, by their codes or by
    /// [`Endpoint::fiat_currency`](crate::Endpoint::fiat_currency).
    pub fn completed_purchase(&self) -> Result<Option<CompletedPurchase>, HandlerError> {
        match self.confirmed.get() {
            Some(confirmed) => Ok(Some(confirmed.clone())),
            None => Ok(self.event.completed_purchase()?),
        }
    }

    /// Replaces the purchase of the event by the one that a check knows better: from the provider's API, or from what the shop started.
    /// For checks [before](super::WorkerBuilder::before) the handler: an event that is not signed may contain anything. The first call
    /// counts.
    pub fn confirm(&self, purchase: CompletedPurchase) {
        let _ = self.confirmed.set(purchase);
    }

    /// Marks the delivery as one of the provider's sandbox, where nobody pays. For checks [before](super::WorkerBuilder::before) the
    /// handler that ask the provider's API.
    pub fn mark_sandbox(&self) {
        let _ = self.sandbox.set(());
    }

    /// Returns whether a check has found that the delivery belongs to the provider's sandbox, where nobody pays: do not credit its
    /// purchase to anyone. The log lines of its attempts have the field `sandbox`.
    ///
    /// `false` says nothing without such a check, because an event of the sandbox looks like any other. A shop that does not ask the
    /// provider's API gives its sandbox an [endpoint](Self::endpoint) of its own.
    #[must_use]
    pub fn is_sandbox(&self) -> bool {
        self.sandbox.get().is_some()
    }

    /// Returns the exact bytes of the request body.
    #[must_use]
    pub const fn raw(&self) -> &Bytes {
        &self.claimed.body
    }

    /// Returns the value at a JSON pointer (RFC 6901) in the body, exactly as it was sent. Use it for fields that the model does
    /// not have.
    #[must_use]
    pub fn pointer(&self, pointer: &str) -> Option<RawJson> {
        event::pointer(&self.claimed.body, pointer)
    }

    /// Returns the id in the inbox.
    #[must_use]
    pub const fn id(&self) -> DeliveryId {
        self.claimed.lease.id
    }

    /// Returns the name of the endpoint that received it.
    #[must_use]
    pub const fn endpoint(&self) -> &Arc<str> {
        &self.claimed.endpoint
    }

    /// Returns the provider that sent it.
    #[must_use]
    pub const fn provider(&self) -> &ProviderName {
        &self.claimed.provider
    }

    /// Returns the dedup key. It is the same at every attempt, so the handler can use it to make its writes idempotent.
    ///
    /// Returns `None` for events that are never duplicates, such as the dashboard's test, and for events whose key expired while
    /// they waited. A replayed conflict has a different key from the first delivery.
    #[must_use]
    pub const fn key(&self) -> Option<&DedupKey> {
        self.claimed.key.as_ref()
    }

    /// Returns the time of arrival.
    #[must_use]
    pub const fn received_at(&self) -> Timestamp {
        self.claimed.received_at
    }

    /// Returns the number of the attempt, from 1. An attempt that was interrupted by a crash does not count.
    #[must_use]
    pub const fn attempt(&self) -> u32 {
        self.claimed.attempt
    }

    /// Returns whether a later stage of its order has already been handled, for example `order_complete` before this
    /// `payment_started`. Do not overwrite newer data with a stale event.
    #[must_use]
    pub const fn is_stale(&self) -> bool {
        self.claimed.stale
    }

    /// Returns whether a reconciliation created the delivery from the provider's API, because the event of a completed order had
    /// not arrived. A synthetic delivery has fewer fields than a real event, and its amounts are rounded by the API. No sender can
    /// create one.
    #[must_use]
    pub fn is_synthetic(&self) -> bool {
        self.claimed.fingerprint.is_synthetic()
    }

    /// Returns the number of its duplicates received so far.
    #[must_use]
    pub const fn duplicates(&self) -> u64 {
        self.claimed.duplicates
    }
}

impl fmt::Debug for Delivery {
    /// Leaves out the event and the raw bytes, which hold personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("id", &self.id())
            .field("endpoint", self.endpoint())
            .field("type", &self.event.type_label())
            .field("attempt", &self.attempt())
            .field("stale", &self.is_stale())
            .field("synthetic", &self.is_synthetic())
            .field("sandbox", &self.is_sandbox())
            .finish_non_exhaustive()
    }
}
