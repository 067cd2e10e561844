//! Points of a purchase.

use onramp_webhooks::event::BigDecimal;
use onramp_webhooks::{Delivery, HandlerError};

/// Points for a customer.
#[derive(Clone, Debug)]
pub(crate) struct Credit {
    pub(crate) customer: String,
    pub(crate) points: BigDecimal,
}

impl Credit {
    /// Returns one point per unit of fiat of a completed purchase, or `None` for any other event.
    ///
    /// A purchase without a clear fiat amount or without a customer becomes a dead letter for an operator.
    pub(crate) fn of(delivery: &Delivery) -> Result<Option<Self>, HandlerError> {
        let Some(purchase) = delivery.completed_purchase()? else { return Ok(None) };
        let customer = purchase.customer_id()?;
        if customer.contains('\0') {
            // PostgreSQL cannot store a zero byte in a string.
            return Err(HandlerError::permanent("the customer of a completed purchase contains a zero byte"));
        }
        Ok(Some(Self { customer: customer.to_owned(), points: purchase.fiat.amount.to_decimal() }))
    }
}
