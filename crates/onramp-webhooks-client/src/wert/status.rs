//! Where an order stands, in the words of the Data API.

use std::fmt;

/// Where an order stands, in the words of the Data API.
///
/// Only `success` is documented; the others are known from code that uses the API. Read in any case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OrderStatus {
    /// `created`: nothing has been paid.
    Created,
    /// `pending`: not decided.
    Pending,
    /// `progress`: not decided.
    Progress,
    /// `success`: paid, and the crypto was sent.
    Success,
    /// `failed`.
    Failed,
    /// `cancelled`, or `canceled`.
    Cancelled,
    /// A word that this crate does not know, as it was received.
    Unknown(Box<str>),
}

impl OrderStatus {
    /// The word for it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Created => "created",
            Self::Pending => "pending",
            Self::Progress => "progress",
            Self::Success => "success",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Unknown(word) => word,
        }
    }

    /// Whether the order has come to an end: success, failed or cancelled. An unknown word is not an end.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Success | Self::Failed | Self::Cancelled)
    }
}

impl From<&str> for OrderStatus {
    fn from(word: &str) -> Self {
        match word.to_ascii_lowercase().as_str() {
            "created" => Self::Created,
            "pending" => Self::Pending,
            "progress" => Self::Progress,
            "success" => Self::Success,
            "failed" => Self::Failed,
            "cancelled" | "canceled" => Self::Cancelled,
            _ => Self::Unknown(word.into()),
        }
    }
}

impl fmt::Display for OrderStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
