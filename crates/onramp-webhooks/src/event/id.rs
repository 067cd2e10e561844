//! Identifiers, each of its own type.

/// Defines identifier types.
macro_rules! ids {
    ($($(#[$doc:meta])* $id:ident)+) => {$(
        $(#[$doc])*
        ///
        /// Kept as it was received; case and white space are significant.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $id(Box<str>);

        impl $id {
            /// Returns the identifier as it was received.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $id {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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

        impl $crate::event::fields::Decode for $id {
            fn decode(json: &str) -> Result<Self, $crate::event::DecodeError> {
                <String as $crate::event::fields::Decode>::decode(json).map(Self::from)
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
                f.debug_tuple(stringify!($id)).field(&self.0).finish()
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
