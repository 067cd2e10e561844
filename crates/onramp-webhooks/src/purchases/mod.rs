//! Purchases that the shop started, and the check that a completed purchase is one of them.
//!
//! Kriptomat does not sign its postbacks. However, a shop that starts the widget through the API learns the `uuid` of the later
//! postback, and can record it together with the asset, the address, the amount and the customer. [`KnownPurchases`] is a check for
//! a worker: a postback with an unknown `uuid`, or with other values than were asked for, becomes a dead letter until an operator
//! [releases](release) it.
//!
//! ```
//! use std::sync::Arc;
//! use onramp_webhooks::adapter::{Full, Request};
//! use onramp_webhooks::clock::Timestamp;
//! use onramp_webhooks::inbox::{Filter, MemoryInbox, State};
//! use onramp_webhooks::provider::Providers;
//! use onramp_webhooks::purchases::{self, KnownPurchases, MemoryPurchaseStore, Purchase, PurchaseStore};
//! use onramp_webhooks::{async_trait, Delivery, Handler, HandlerError, Inbox, Kriptomat, Receiver};
//!
//! struct Shop;
//!
//! #[async_trait]
//! impl Handler for Shop {
//!     async fn handle(&self, _: &Delivery) -> Result<(), HandlerError> {
//!         Ok(())
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // On disk: `inbox.purchases()` of `onramp-webhooks-sqlite` and `onramp-webhooks-postgres`.
//! let store = Arc::new(MemoryPurchaseStore::new());
//!
//! // `KriptomatApi::start` of `onramp-webhooks-client` does this when it starts the widget.
//! let purchase = Purchase::new("c472856c", Timestamp::now()).asset_type("eth").to_address("0x7873ce9E");
//! store.start(purchase.additional_field("0", "customer-7")).await?;
//!
//! let receiver = Receiver::builder(MemoryInbox::new()).endpoint(Kriptomat::with_path_secret("s3cret-for-examples")).build()?;
//! let worker = receiver.worker(Shop).before(KnownPurchases::new(Arc::clone(&store))).spawn();
//!
//! let forged = br#"{"uuid":"c472856c","amount":5,"asset_type":"eth","fiat_amount":"9000","to_address":"0xbad","0":"customer-7"}"#;
//! receiver.receive(&Request::new("POST", "/kriptomat/s3cret-for-examples", None, &[]), Full::new(&forged[..])).await;
//! worker.idle().await;
//! let held = receiver.inbox().list(Filter::all().state(State::Dead)).await?.records.remove(0);
//! assert_eq!(held.note.as_deref(), Some("differs from the purchase that was started: another address"));
//!
//! // An operator has verified that it is genuine:
//! purchases::release(&**receiver.inbox(), &Providers::default(), &*store, held.id, Timestamp::now()).await?;
//! worker.idle().await;
//! assert_eq!(receiver.inbox().counts().await?.of(State::Handled), 1);
//! # worker.shutdown().await;
//! # Ok(())
//! # }
//! ```

mod check;
mod fields;
mod inbox;
mod memory;
mod prune;
mod purchase;
mod release;
mod store;

pub use self::check::KnownPurchases;
pub use self::fields::PurchaseFields;
pub use self::inbox::{PurchaseInbox, SpillPurchases};
pub use self::memory::MemoryPurchaseStore;
pub use self::prune::PrunePurchases;
pub use self::purchase::{Purchase, PurchaseDifference};
pub use self::release::release;
pub use self::store::{PurchaseStatus, PurchaseStore};
