//! Values of events: amounts, currencies, identifiers, completed purchases.
//!
//! The events themselves are in [`wert`](crate::wert) and [`kriptomat`](crate::kriptomat). Every model keeps fields, types and states
//! that it does not know and serialises without loss; [`Amount`]s are exact. [`CompletedPurchase`] is the view that most
//! applications need.

mod amount;
mod currency;
mod error;
mod extra;
pub(crate) mod fields;
pub(crate) mod id;
pub(crate) mod model;
mod money;
mod purchase;
pub(crate) mod raw_json;

pub use bigdecimal::BigDecimal;

pub use self::amount::{Amount, ParseAmountError, UnitsError};
pub use self::currency::Currency;
pub use self::error::{DecodeError, DecodeErrorKind};
pub use self::extra::Extra;
pub use self::id::{OrderId, TransactionId, WalletAddress};
pub use self::money::Money;
pub use self::purchase::{CompletedPurchase, CustomerReference, MissingCustomer, UnclearPurchase};
pub use self::raw_json::{RawJson, pointer};
