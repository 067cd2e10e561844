//! Providers of purchase events: [`Wert`](wert::Wert), [`Kriptomat`](kriptomat::Kriptomat), and your own.
//!
//! A provider is a type that implements [`Provider`]: facts about how it delivers, a way to verify its requests if it signs them, and
//! an event type that implements [`ProviderEvent`]. Recording, deduplication, acknowledgement and retries are derived from these.
//!
//! ```
//! use onramp_webhooks::event::{CompletedPurchase, CustomerReference, DecodeError, Money};
//! use onramp_webhooks::event::UnclearPurchase;
//! use onramp_webhooks::identity::{Identity, OrderStage};
//! use onramp_webhooks::inbox::MemoryInbox;
//! use onramp_webhooks::provider::{Endpoint, Facts, Provider, ProviderEvent};
//! use onramp_webhooks::{Receiver, adapter};
//!
//! /// Sends `{"id":"7","customer":"42","paid":"10.00","bought":"0.004"}` when a purchase of ether for euros is complete.
//! #[derive(Clone, Copy, Debug)]
//! struct Acme;
//!
//! impl Provider for Acme {
//!     type Event = AcmePurchase;
//!     const FACTS: Facts = Facts::new("acme");
//! }
//!
//! #[derive(Debug, serde::Deserialize)]
//! struct AcmePurchase {
//!     id: String,
//!     customer: String,
//!     paid: onramp_webhooks::event::Amount,
//!     bought: onramp_webhooks::event::Amount,
//! }
//!
//! impl ProviderEvent for AcmePurchase {
//!     fn read(body: &[u8]) -> Result<Self, DecodeError> {
//!         Ok(serde_json::from_slice(body)?)
//!     }
//!
//!     fn type_name(&self) -> &str {
//!         "purchase"
//!     }
//!
//!     fn type_label(&self) -> &'static str {
//!         "purchase"
//!     }
//!
//!     fn identity(&self) -> Identity {
//!         Identity::once("purchase", &self.id).at(OrderStage::FINAL)
//!     }
//!
//!     fn completed_purchase(&self) -> Result<Option<CompletedPurchase>, UnclearPurchase> {
//!         let customer = CustomerReference::new(Some(self.customer.clone()), Default::default());
//!         let (fiat, crypto) = (Money::new(self.paid.clone(), "EUR".into()), Money::new(self.bought.clone(), "ETH".into()));
//!         Ok(Some(CompletedPurchase::new(customer, fiat, crypto)))
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let endpoint = Endpoint::open(Acme).path_secret("Zx8-long-and-random-secret");
//! let receiver = Receiver::builder(MemoryInbox::new()).endpoint(endpoint).build()?;
//! # let request = adapter::Request::new("POST", "/acme/Zx8-long-and-random-secret", None, &[]);
//! # let body = br#"{"id":"7","customer":"42","paid":"10.00","bought":"0.004"}"#;
//! # assert_eq!(receiver.receive(&request, adapter::Full::new(&body[..])).await.status(), 200);
//! # assert_eq!(receiver.receive(&request, adapter::Full::new(&b"{}"[..])).await.status(), 400);
//! # Ok(())
//! # }
//! ```
//!
//! A handler gets the typed event with [`Delivery::event_as`](crate::Delivery::event_as).

mod endpoint;
mod event;
mod facts;
mod name;
mod providers;
mod secret;
#[cfg(test)]
mod tests;
mod verify;

use std::fmt;

pub use self::endpoint::Endpoint;
pub use self::event::Event;
pub use self::facts::{Acknowledgement, Facts, Refusals};
pub use self::name::ProviderName;
pub(crate) use self::providers::Decoder;
pub use self::providers::{Providers, ReadError};
pub use self::secret::PathSecretError;
pub(crate) use self::verify::SignedHeaders;
pub use self::verify::{SignedRequest, VerifyError};
use crate::event::{CompletedPurchase, DecodeError, UnclearPurchase};
use crate::identity::Identity;
pub use crate::json::Document;

pub mod kriptomat;
pub mod wert;
/// The providers of this crate. Each has a folder of its own.
const LIST: &[Decoder] = &[Decoder::of::<wert::Wert>(), Decoder::of::<kriptomat::Kriptomat>()];

/// A provider of purchase events. See the [module docs](self) for an example.
pub trait Provider: fmt::Debug + Send + Sync + 'static {
    /// The events that the provider sends.
    type Event: ProviderEvent;

    /// Facts about the provider.
    const FACTS: Facts;

    /// Verifies that the provider sent the request, using the headers in [`Facts::signed_headers`] and the whole body. Called
    /// before the body is read or recorded. The default accepts every request, for providers that do not sign their requests.
    ///
    /// Implementations should compare in constant time and refuse old timestamps.
    ///
    /// # Errors
    /// Returns an error if the request was not signed, or not by the provider. The sender gets 401, and nothing is recorded.
    fn verify(&self, request: &SignedRequest<'_>) -> Result<(), VerifyError> {
        let _ = request;
        Ok(())
    }
}

/// The event type of a [`Provider`].
///
/// `Debug` should leave out personal data, because its output is logged.
pub trait ProviderEvent: fmt::Debug + Send + Sync + 'static {
    /// Reads a body.
    ///
    /// New fields, types and states should be values rather than errors, so that no event is lost.
    ///
    /// An [`Amount`](crate::event::Amount) cannot be read inside serde's internally tagged and untagged enums and `flatten`: read the type
    /// first, and then the body as the struct of that type.
    ///
    /// # Errors
    /// Returns an error if the body is not in the provider's format, or lacks a field that is required for its type.
    fn read(body: &[u8]) -> Result<Self, DecodeError>
    where
        Self: Sized;

    /// Reads a body that was parsed as JSON already, because its fingerprint is taken from the same tree. The default calls
    /// [`read`](Self::read) with the bytes of the body.
    ///
    /// # Errors
    /// Returns the error of [`read`](Self::read).
    fn read_document(document: &Document<'_>) -> Result<Self, DecodeError>
    where
        Self: Sized,
    {
        Self::read(document.body())
    }

    /// Returns the type of the event as it was received: `order_complete`.
    fn type_name(&self) -> &str;

    /// Returns the type of the event as a label for metrics: one of a fixed set of words, or `unknown`.
    fn type_label(&self) -> &'static str;

    /// Returns the identity of the event, by which duplicates are found.
    fn identity(&self) -> Identity;

    /// Returns the purchase if the event reports a completed one. A test or a transfer that has only started is not a completed
    /// purchase. The default returns `None`.
    ///
    /// # Errors
    /// Returns an error if a purchase is complete and its paid and bought sides cannot be distinguished.
    fn completed_purchase(&self) -> Result<Option<CompletedPurchase>, UnclearPurchase> {
        Ok(None)
    }

    /// Returns the type that an object claims to have, although it cannot be read as an event. Operators find the delivery by it, and a
    /// delivery that claims to report a purchase ([`Facts::purchase_type`]) is an alarm. The default returns `None`.
    #[must_use]
    fn claimed_type(document: &Document<'_>) -> Option<String>
    where
        Self: Sized,
    {
        let _ = document;
        None
    }
}
