//! The types of Wert's events.

use serde::Serializer;

use super::{Account, Order, Verification};
use crate::event::DecodeError;
use crate::event::fields::Fields;
use crate::event::model::ObjectWriter;

/// The content of an event that depends on its type.
pub(super) trait Payload: Sized {
    fn take(fields: &mut Fields<'_>) -> Result<Self, DecodeError>;

    fn write<S: Serializer>(&self, object: &mut ObjectWriter<S>) -> Result<(), S::Error>;
}

macro_rules! payloads {
    ($($(#[$doc:meta])* $name:literal => $variant:ident($payload:ident),)+) => {
        /// The type of an event, and its content.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum WertPayload {
            $(#[doc = concat!("`", $name, "`:")] $(#[$doc])* $variant($payload),)+
            /// `test`: the button in Wert's dashboard was pressed. Its order is not a real one and is kept, without being read, in
            /// [`WertEvent::extra`](super::WertEvent::extra).
            Test,
            /// A type that this crate does not know, as it was received. Its content is in
            /// [`WertEvent::extra`](super::WertEvent::extra).
            Unknown(String),
        }

        impl WertPayload {
            pub(super) fn take(type_name: &str, fields: &mut Fields<'_>) -> Result<Self, DecodeError> {
                match type_name {
                    $($name => Payload::take(fields).map(Self::$variant),)+
                    "test" => Ok(Self::Test),
                    _ => Ok(Self::Unknown(type_name.to_owned())),
                }
            }

            pub(super) fn write<S: Serializer>(&self, object: &mut ObjectWriter<S>) -> Result<(), S::Error> {
                match self {
                    $(Self::$variant(payload) => payload.write(object),)+
                    Self::Test | Self::Unknown(_) => Ok(()),
                }
            }

            pub(super) const fn known_type_name(&self) -> Option<&'static str> {
                match self {
                    $(Self::$variant(_) => Some($name),)+
                    Self::Test => Some("test"),
                    Self::Unknown(_) => None,
                }
            }
        }
    };
}

payloads! {
    /// a new user has created a profile.
    "registration" => Registration(Account),
    /// a user has logged in.
    "login" => Login(Account),
    /// a user has logged out.
    "logout" => Logout(Account),
    /// a card was added.
    "card_added" => CardAdded(Account),
    /// a new card was added.
    "new_card_added" => NewCardAdded(Account),
    /// the identity check has begun.
    "verify_start" => VerifyStart(Verification),
    /// the user has to submit documents again.
    "verify_retry" => VerifyRetry(Verification),
    /// the identity check has failed.
    "verify_failed" => VerifyFailed(Verification),
    /// the identity check has passed.
    "verify_success" => VerifySuccess(Verification),
    /// the user has confirmed, and the payment is in progress.
    "payment_started" => PaymentStarted(Order),
    /// the crypto was sent and has no confirmation yet. Neither paid nor final.
    "transfer_started" => TransferStarted(Order),
    /// the purchase is complete. The only type that reports a payment.
    "order_complete" => OrderComplete(Order),
    /// the order has failed.
    "order_failed" => OrderFailed(Order),
    /// the order was cancelled.
    "order_canceled" => OrderCanceled(Order),
    /// the smart contract call has failed; see [`Order::fallback_order`].
    "tx_smart_contract_failed" => TxSmartContractFailed(Order),
}

impl WertPayload {
    /// Returns the `type` as Wert writes it.
    #[must_use]
    pub fn type_name(&self) -> &str {
        match self {
            Self::Unknown(name) => name,
            known => known.known_type_name().unwrap_or_default(),
        }
    }

    /// Returns the order of the event. The order of a [`Test`](WertPayload::Test) is not a real one and is not returned. To act on
    /// a purchase, use [`Delivery::completed_purchase`](crate::Delivery::completed_purchase).
    #[must_use]
    pub fn order(&self) -> Option<&Order> {
        match self {
            Self::PaymentStarted(order)
            | Self::TransferStarted(order)
            | Self::OrderComplete(order)
            | Self::OrderFailed(order)
            | Self::OrderCanceled(order)
            | Self::TxSmartContractFailed(order) => Some(order),
            Self::VerifyStart(verification)
            | Self::VerifyRetry(verification)
            | Self::VerifyFailed(verification)
            | Self::VerifySuccess(verification) => verification.order.as_ref(),
            _ => None,
        }
    }
}
