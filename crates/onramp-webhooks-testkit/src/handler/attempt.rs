//! A single attempt to handle a delivery, as a worker makes it.

use std::time::Duration;

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::{
    ClaimRequest, ClaimedDelivery, DeliveryId, Inbox, Recorded, Settled, Settlement, TransactionalInbox,
};
use onramp_webhooks::{Handler, HandlerError, TransactionalHandler};

use super::delivery::{TestDelivery, delivery};

/// The time for which a delivery is claimed.
pub(super) const LEASE: Duration = Duration::from_secs(60);

/// The maximum number of deliveries to claim in order to get the one under test.
const LIMIT: usize = 10_000;

/// Runs a handler once on a delivery, and returns its result. Accepts an event body of Wert's, or a [`TestDelivery`] of any provider.
///
/// # Errors
/// Returns the handler's error.
///
/// # Panics
/// If the handler panics, or if the body is not an event.
///
/// ```
/// use onramp_webhooks::{Delivery, Handler, HandlerError, async_trait};
/// use onramp_webhooks_testkit::events::WertOrder;
/// use onramp_webhooks_testkit::handled;
///
/// struct OnlyEuros;
///
/// #[async_trait]
/// impl Handler for OnlyEuros {
///     async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError> {
///         match delivery.completed_purchase()? {
///             Some(purchase) if purchase.fiat.currency.as_str() != "EUR" => Err(HandlerError::permanent("only euros")),
///             _ => Ok(()),
///         }
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let order = WertOrder::new().fiat("100.00", "EUR");
/// assert!(handled(&OnlyEuros, order.complete()).await.is_ok());
/// assert!(handled(&OnlyEuros, order.fiat("100.00", "USD").complete()).await.is_err());
/// # }
/// ```
pub async fn handled(handler: &impl Handler, body: impl Into<TestDelivery>) -> Result<(), HandlerError> {
    handler.handle(&delivery(body).await).await
}

/// Runs a handler once in a transaction of the inbox, and commits what it wrote together with the completion of the delivery. Accepts a
/// body of Wert's, or a [`TestDelivery`] of any provider.
///
/// As with a worker, the delivery is recorded in the inbox, claimed, handled in an open transaction, and completed with its lease. If the
/// handler fails, its transaction is rolled back and the delivery is due again, so the next call with the same event is the next attempt.
///
/// # Errors
/// Returns the handler's error, or the store's error if the commit fails.
///
/// # Panics
/// If the handler panics, if the body is not an event, or if the inbox already contains the event and it is not due.
///
/// ```
/// use onramp_webhooks::{Delivery, HandlerError, TransactionalHandler, async_trait};
/// use onramp_webhooks_sqlite::{SqliteInbox, SqliteTransaction, rusqlite};
/// use onramp_webhooks_testkit::events::WertOrder;
/// use onramp_webhooks_testkit::handled_in;
///
/// struct Shop;
///
/// #[async_trait]
/// impl TransactionalHandler<SqliteTransaction> for Shop {
///     async fn handle(&self, delivery: &Delivery, transaction: &mut SqliteTransaction) -> Result<(), HandlerError> {
///         let Some(purchase) = delivery.completed_purchase()? else { return Ok(()) };
///         let paid = purchase.fiat.to_string();
///         transaction.call(move |connection| connection.execute("INSERT INTO purchases VALUES (?)", [paid])).await?;
///         Ok(())
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("shop.db");
/// let inbox = SqliteInbox::open(&path).await?;
/// let shop = rusqlite::Connection::open(&path)?;
/// shop.execute_batch("CREATE TABLE purchases (paid TEXT)")?;
///
/// assert!(handled_in(&inbox, &Shop, WertOrder::new().fiat("100.00", "EUR").complete()).await.is_ok());
/// let paid: String = shop.query_row("SELECT paid FROM purchases", [], |row| row.get(0))?;
/// assert_eq!(paid, "100.00 EUR");
/// # Ok(())
/// # }
/// ```
pub async fn handled_in<I, H>(inbox: &I, handler: &H, body: impl Into<TestDelivery>) -> Result<(), HandlerError>
where
    I: TransactionalInbox,
    H: TransactionalHandler<I::Transaction>,
{
    let test = body.into();
    let id = match inbox.record(test.read().await).await? {
        Recorded::New(id) | Recorded::Duplicate { first: id, .. } => id,
        recorded => panic!("the inbox has another event under the same key: {recorded:?}"),
    };
    let claimed = claim(inbox, test.received_at, id).await?;
    let lease = claimed.lease;
    let delivery = test.claimed(claimed);
    let mut open = inbox.begin(LEASE).await?;
    if let Err(error) = handler.handle(&delivery, open.as_mut()).await {
        inbox.roll_back(open).await?;
        release(inbox, test.received_at, vec![Settlement::new(lease, Settled::Released)]).await?;
        return Err(error);
    }
    assert!(inbox.complete(open, test.received_at, lease).await?, "the lease of delivery {id} was lost");
    handler.committed(&delivery);
    Ok(())
}

/// Claims one delivery, and releases the others for the workers.
async fn claim(inbox: &impl Inbox, now: Timestamp, id: DeliveryId) -> Result<ClaimedDelivery, HandlerError> {
    let due = inbox.claim(now, ClaimRequest::new(LIMIT, LEASE)).await?.deliveries;
    let (wanted, others): (Vec<_>, Vec<_>) = due.into_iter().partition(|claimed| claimed.lease.id == id);
    let released = others.iter().map(|other| Settlement::new(other.lease, Settled::Released)).collect();
    release(inbox, now, released).await?;
    Ok(wanted
        .into_iter()
        .next()
        .unwrap_or_else(|| panic!("delivery {id} is not due: it was handled, or another worker holds it")))
}

async fn release(inbox: &impl Inbox, now: Timestamp, released: Vec<Settlement>) -> Result<(), HandlerError> {
    inbox.settle(now, released).await?;
    Ok(())
}
