//! Handling a postback that was held, because a person says so.

use super::StartedPurchases;
use crate::clock::Timestamp;
use crate::event::Event;
use crate::inbox::{DeliveryId, Inbox, ReplayScope, Replayed, State, replay};
use crate::store_error::{StoreError, StoreErrorKind};

const RELEASE: &str = "release a postback";

/// Lets the purchase of a delivery pass from now on, and [replays](replay) the delivery. Called again, it does what is still to be done.
///
/// A conflict is not released: it is the other delivery with its `uuid` that would pass from then on. A replay is what it takes.
///
/// # Errors
/// [`NotFound`](StoreErrorKind::NotFound); [`Refused`](StoreErrorKind::Refused) when it is no postback of Kriptomat that can be read, was
/// handled, or is a conflict; whatever `purchases` and the replay answer. When the replay fails, the purchase stays released.
pub async fn release(
    inbox: &dyn Inbox,
    purchases: &dyn StartedPurchases,
    id: DeliveryId,
    now: Timestamp,
) -> Result<Replayed, StoreError> {
    let record = inbox.show(id).await?.ok_or(StoreError::new(StoreErrorKind::NotFound, RELEASE))?;
    let refused = |why: &'static str| StoreError::new(StoreErrorKind::Refused, RELEASE).because(why);
    match record.state {
        State::Handled => return Err(refused("it was handled")),
        State::Conflict => return Err(refused("it contradicts an earlier delivery")),
        _ => {}
    }
    let body = record.body.ok_or_else(|| refused("its body was pruned"))?;
    match Event::decode(record.provider, &body) {
        Ok(Event::Kriptomat(postback)) => purchases.release(&postback.uuid, now).await?,
        _ => return Err(refused("it is no postback of Kriptomat that can be read")),
    }
    replay(inbox, id, ReplayScope::Unhandled, now).await
}
