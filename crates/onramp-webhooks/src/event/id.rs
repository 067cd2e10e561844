//! Identifiers, each of its own type.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use smol_str::SmolStr;

use super::DecodeError;
use super::fields::Decode;
use crate::json::Value;

/// Maximum number of digits of an identifier that is a JSON number.
const MOST_DIGITS: usize = 128;

/// The text of an identifier. A string and a whole number with the same text are the same identifier.
#[derive(Clone)]
pub(crate) struct IdText {
    text: SmolStr,
    is_number: bool,
}

impl IdText {
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }
}

impl<T: Into<SmolStr>> From<T> for IdText {
    fn from(text: T) -> Self {
        Self { text: text.into(), is_number: false }
    }
}

impl From<IdText> for String {
    fn from(id: IdText) -> Self {
        id.text.into()
    }
}

impl Decode for IdText {
    fn decode(value: Value<'_>) -> Result<Self, DecodeError> {
        if let Some(text) = value.string() {
            return Ok(Self::from(text));
        }
        let text = value.text();
        let is_number = text.len() <= MOST_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = is_number.then(|| Self { text: text.into(), is_number });
        number.ok_or_else(|| DecodeError::unreadable("neither a string nor a whole number"))
    }
}

impl PartialEq for IdText {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for IdText {}

impl PartialOrd for IdText {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for IdText {
    fn cmp(&self, other: &Self) -> Ordering {
        self.text.cmp(&other.text)
    }
}

impl Hash for IdText {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

/// Writes the identifier as it was received.
impl Serialize for IdText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.is_number {
            return serde_json::from_str::<&RawValue>(&self.text).map_err(S::Error::custom)?.serialize(serializer);
        }
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for IdText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

/// Defines identifier types.
macro_rules! ids {
    ($($(#[$doc:meta])* $id:ident)+) => {$(
        $(#[$doc])*
        ///
        /// Kept as it was received, a string or a whole number; case and white space are significant.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $id($crate::event::id::IdText);

        impl $id {
            /// Returns the identifier as it was received.
            #[must_use]
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl std::fmt::Display for $id {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl AsRef<str> for $id {
            fn as_ref(&self) -> &str {
                self.as_str()
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

        impl $crate::event::fields::Decode for $id {
            fn decode(value: $crate::json::Value<'_>) -> Result<Self, $crate::event::DecodeError> {
                $crate::event::fields::Decode::decode(value).map(Self)
            }
        }
    )+};
}

/// Implements `Debug` without the value, for identifiers of customers.
macro_rules! hidden_ids {
    ($($id:ident)+) => {$(
        impl std::fmt::Debug for $id {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($id), "(hidden)"))
            }
        }
    )+};
}

/// Implements `Debug` with the value, for identifiers that a provider's support needs.
macro_rules! shown_ids {
    ($($id:ident)+) => {$(
        impl std::fmt::Debug for $id {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_tuple(stringify!($id)).field(&self.as_str()).finish()
            }
        }
    )+};
}

pub(crate) use {hidden_ids, ids, shown_ids};

ids! {
    /// The provider's id of an order or purchase.
    OrderId
    /// The blockchain transaction that carried the crypto.
    TransactionId
    /// The wallet or contract that receives the crypto.
    WalletAddress
}

hidden_ids! { WalletAddress }
shown_ids! { OrderId TransactionId }
