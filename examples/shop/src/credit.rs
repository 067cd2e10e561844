//! What a purchase brings.

use onramp_webhooks::event::BigDecimal;
use onramp_webhooks::{Delivery, HandlerError};

/// Points for a customer.
#[derive(Clone, Debug)]
pub(crate) struct Credit {
    pub(crate) customer: String,
    pub(crate) points: BigDecimal,
}

impl Credit {
    /// One point per unit of fiat of a completed purchase; `None` for any other event.
    ///
    /// Trying again would not make an unclear purchase any clearer: it goes straight to a person.
    pub(crate) fn of(delivery: &Delivery) -> Result<Option<Self>, HandlerError> {
        let Some(purchase) = delivery.event().completed_purchase().map_err(HandlerError::permanent)? else { return Ok(None) };
        // Somebody paid, and only a person can find out who. No database keeps a zero byte in a text.
        let customer = purchase.customer.primary().filter(|customer| !customer.contains('\0'));
        let customer = customer.ok_or_else(|| HandlerError::permanent("a completed purchase that names no customer"))?;
        Ok(Some(Self { customer: customer.to_owned(), points: purchase.fiat.amount.to_decimal() }))
    }
}
