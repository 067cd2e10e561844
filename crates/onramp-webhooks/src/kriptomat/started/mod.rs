//! Purchases that the shop started itself: what a postback has to fit before it is handled.
//!
//! Kriptomat signs nothing. But whoever starts its widget is told the `uuid` that the postback will carry, and can write it down together
//! with what was asked for. [`KnownPurchases`] lets a worker ask for that before the handler: a postback with an unknown `uuid`, or with
//! another asset or address than was asked for, becomes a dead letter (kept, an error in the log, counted) and is handled only when a
//! person [releases](release) it.
//!
//! ```
//! use std::sync::Arc;
//! use bytes::Bytes;
//! use onramp_webhooks::clock::{Clock, SystemClock};
//! use onramp_webhooks::inbox::{Filter, MemoryInbox, State};
//! use onramp_webhooks::kriptomat::started::{self, KnownPurchases, MemoryStartedPurchases, StartedPurchase, StartedPurchases};
//! use onramp_webhooks::{async_trait, Delivery, Handler, HandlerError, Inbox, Kriptomat, Receiver, Request};
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
//! // On disk: `inbox.started_purchases()` of `onramp-webhooks-sqlite` and `onramp-webhooks-postgres`.
//! let purchases = Arc::new(MemoryStartedPurchases::new());
//! let clock = SystemClock::default();
//!
//! // `KriptomatApi::start` of `onramp-webhooks-client` does this when it starts the widget.
//! purchases.start(StartedPurchase::new("c472856c", clock.now()).asset_type("eth").to_address("0x7873ce9E")).await?;
//!
//! let receiver = Receiver::builder(MemoryInbox::new()).endpoint(Kriptomat::with_path_secret("s3cret")).build()?;
//! let worker = receiver.worker(Shop).before(KnownPurchases::new(Arc::clone(&purchases))).spawn();
//!
//! let forged = br#"{"uuid":"c472856c","amount":5,"asset_type":"eth","fiat_amount":"9000","to_address":"0xbad"}"#;
//! let request = Request::new("POST", "/kriptomat/s3cret", None, &[]);
//! receiver.receive_whole(&request, Bytes::from_static(forged)).await;
//! # while receiver.inbox().counts().await?.of(State::Dead) == 0 { tokio::task::yield_now().await; }
//! let held = receiver.inbox().list(Filter::all()).await?.remove(0);
//! assert_eq!(held.note.as_deref(), Some("not what was asked for when the widget was started: another address"));
//!
//! // A person has found out that it is true after all:
//! started::release(&**receiver.inbox(), &*purchases, held.id, clock.now()).await?;
//! # while receiver.inbox().counts().await?.of(State::Handled) == 0 { tokio::task::yield_now().await; }
//! # worker.shutdown().await;
//! # Ok(())
//! # }
//! ```

mod check;
mod memory;
mod purchase;
mod release;
mod store;

pub use self::check::KnownPurchases;
pub use self::memory::MemoryStartedPurchases;
pub use self::purchase::{StartedDifference, StartedPurchase};
pub use self::release::release;
pub use self::store::{KnownPurchase, RETENTION, StartedPurchases};
