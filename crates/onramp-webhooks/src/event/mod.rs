//! Events: what providers say, as types.
//!
//! [`Event::decode`] reads a body. Every model keeps what it does not know (new fields, types and states) and is written back
//! without loss; [`Amount`]s are exact. What an application needs most often is in [`CompletedPurchase`].

mod amount;
mod currency;
mod error;
mod extra;
pub(crate) mod fields;
mod id;
pub(crate) mod model;
mod provider;
mod purchase;
pub(crate) mod raw_json;
#[cfg(test)]
mod tests;

pub use amount::{Amount, ParseAmountError};
pub use bigdecimal::BigDecimal;
pub use currency::Currency;
pub use error::{DecodeError, DecodeErrorKind};
pub use extra::Extra;
pub use id::{ClickId, OrderId, PostbackId, SessionId, TransactionId, UserId, WalletAddress};
pub(crate) use provider::ProviderRules;
pub use provider::{Acknowledgement, Event, Provider, UnknownProvider};
pub(crate) use purchase::fiat_and_crypto;
pub use purchase::{CompletedPurchase, CustomerReference, Money, UnclearPurchase};
pub use raw_json::{RawJson, pointer};
