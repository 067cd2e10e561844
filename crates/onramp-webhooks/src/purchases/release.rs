//! Release of purchases that the check has refused.

use super::PurchaseStore;
use crate::clock::Timestamp;
use crate::delivery::DeliveryId;
use crate::error::{StoreError, StoreErrorKind};
use crate::event::OrderId;
use crate::inbox::{Inbox, Record, ReplayScope, Replayed, State, replay};
use crate::provider::Providers;

const RELEASE: &str = "release a purchase";

/// Releases the purchase of a delivery, so that it passes [`KnownPurchases`](super::KnownPurchases), and [replays](replay) the
/// delivery. If a call fails halfway, repeating it completes it.
///
/// A conflict cannot be released, because the other delivery with its key would pass as well. Replay the conflict instead.
///
/// # Errors
/// Returns [`NotFound`](StoreErrorKind::NotFound) if there is no such delivery, [`Refused`](StoreErrorKind::Refused) if the
/// delivery is not a readable purchase of a kind that the shop starts, was handled, or is a conflict, and the errors of the stores.
/// The purchase stays released if the replay fails.
pub async fn release(
    inbox: &dyn Inbox,
    providers: &Providers,
    store: &dyn PurchaseStore,
    id: DeliveryId,
    now: Timestamp,
) -> Result<Replayed, StoreError> {
    let record = inbox.show(id).await?.ok_or(StoreError::new(StoreErrorKind::NotFound, RELEASE))?;
    match record.state {
        State::Handled => return Err(refused("it was handled")),
        State::Conflict => return Err(refused("it contradicts an earlier delivery")),
        _ => {}
    }
    let purchase =
        purchase(&record, providers).ok_or_else(|| refused("it is not a readable purchase of a kind that the shop starts"))?;
    store.release(&purchase, now).await?;
    replay(inbox, providers, id, ReplayScope::Unhandled, now).await
}

fn refused(why: &'static str) -> StoreError {
    StoreError::new(StoreErrorKind::Refused, RELEASE).because(why)
}

/// Returns the id of the purchase that a delivery reports.
fn purchase(record: &Record, providers: &Providers) -> Option<OrderId> {
    let event = providers.read(&record.provider, record.body.as_ref()?).ok()?;
    let purchase = event.completed_purchase().ok()??;
    purchase.order.filter(|_| event.facts().starts_purchases)
}
