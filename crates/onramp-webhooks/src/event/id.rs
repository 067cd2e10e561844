//! Identifiers, each of its own type, so that none is taken for another.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::DecodeError;
use super::fields::Decode;

macro_rules! ids {
    ($($(#[$doc:meta])* $id:ident)+) => {$(
        $(#[$doc])*
        ///
        /// Kept as it was received: case and white space count.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $id(Box<str>);

        impl $id {
            /// The identifier as it was received.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl AsRef<str> for $id {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $id {
            fn from(id: &str) -> Self {
                Self(id.into())
            }
        }

        impl From<String> for $id {
            fn from(id: String) -> Self {
                Self(id.into())
            }
        }

        impl From<$id> for String {
            fn from(id: $id) -> Self {
                id.0.into()
            }
        }

        impl Decode for $id {
            fn decode(json: &str) -> Result<Self, DecodeError> {
                String::decode(json).map(Self::from)
            }
        }
    )+};
}

ids! {
    /// The string that you gave to Wert's widget as `click_id`, to know your customer's purchase again.
    ClickId
    /// Wert's id of an order, a ULID.
    OrderId
    /// Wert's id of a user, a ULID.
    UserId
    /// The transaction on the blockchain that carried the crypto.
    TransactionId
    /// Wert's `hpp_session_id`: one visit to the payment page, a UUID.
    SessionId
    /// Kriptomat's `uuid` of a purchase.
    PostbackId
    /// The wallet, or the contract, that receives the crypto.
    WalletAddress
}

/// What names a person, or leads to one, stays out of logs.
macro_rules! hidden {
    ($($id:ident)+) => {$(
        impl fmt::Debug for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($id), "(hidden)"))
            }
        }
    )+};
}

/// What names a purchase is what support asks for.
macro_rules! shown {
    ($($id:ident)+) => {$(
        impl fmt::Debug for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($id)).field(&self.0).finish()
            }
        }
    )+};
}

hidden! { ClickId UserId SessionId WalletAddress }
shown! { OrderId TransactionId PostbackId }
