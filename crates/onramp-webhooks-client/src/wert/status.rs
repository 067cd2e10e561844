//! The status of an order.
use std::fmt;

/// The status of an order, as the Data API names it.
///
/// Only `success` is documented; the others are known from code that uses the API. Parsed ignoring case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OrderStatus {
    /// `created`: not paid yet.
    Created,
    /// `pending`: not final.
    Pending,
    /// `progress`: not final.
    Progress,
    /// `success`: paid, and the crypto was sent.
    Success,
    /// `failed`: final.
    Failed,
    /// `cancelled`, or `canceled`: final.
    Cancelled,
    /// An unknown status, as it was received.
    Unknown(Box<str>),
}

impl OrderStatus {
    /// Returns the API's name of the status.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Created => "created",
            Self::Pending => "pending",
            Self::Progress => "progress",
            Self::Success => "success",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Unknown(status) => status,
        }
    }

    /// Returns `true` if the status cannot change any more: success, failed or cancelled. An unknown status is not final.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Success | Self::Failed | Self::Cancelled)
    }
}

impl From<&str> for OrderStatus {
    fn from(status: &str) -> Self {
        match status.to_ascii_lowercase().as_str() {
            "created" => Self::Created,
            "pending" => Self::Pending,
            "progress" => Self::Progress,
            "success" => Self::Success,
            "failed" => Self::Failed,
            "cancelled" | "canceled" => Self::Cancelled,
            _ => Self::Unknown(status.into()),
        }
    }
}

impl fmt::Display for OrderStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
