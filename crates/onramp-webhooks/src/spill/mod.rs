//! Spill: an inbox that records deliveries on the local disk while its primary inbox is unavailable or slow.
//!
//! ```
//! use onramp_webhooks::inbox::MemoryInbox;
//! use onramp_webhooks::spill::{MemorySpill, SpillInbox};
//! use onramp_webhooks::{Receiver, Wert};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // In a shop: a spill on the local disk, in front of an inbox on another machine.
//! let inbox = SpillInbox::opening(async || Ok(MemoryInbox::new()), MemorySpill::new()).await?;
//! let receiver = Receiver::builder(inbox.clone()).endpoint(Wert::with_path_secret("s3cret-for-examples")).build()?;
//! assert_eq!(inbox.status().await?.open_since, None);
//! # Ok(())
//! # }
//! ```
//!
//! - **Acknowledged at once.** A delivery waits for the primary inbox no longer than the [patience](SpillOptions::patience). When a
//!   delivery would have to wait longer, a breaker opens, and deliveries go directly to the spill until the primary inbox is
//!   available again and has all deliveries that waited.
//! - **Nothing is lost.** A delivery is removed from the spill only after the primary inbox has recorded it durably. If the disk of
//!   a machine is lost during an outage, the deliveries in its spill are lost.
//! - **No delivery with a key is handled twice.** The primary inbox detects duplicates and conflicts when a delivery moves, also
//!   between machines. If the process crashes after recording a delivery in the primary inbox and before removing it from the
//!   spill, or if the primary inbox responds too late, the delivery moves again and is counted as a duplicate of itself. A delivery
//!   without a key, such as Wert's `test`, is then recorded twice.
//! - **In order.** The events of one order move in the order of arrival, and all of them before a later event is recorded directly.
//!   The order is not kept between machines, or if the spill cannot be written.
//! - **A refused delivery does not block others.** A delivery that the primary inbox refuses is tried again with growing pauses,
//!   and delays only later events of its order.
//! - **Observable.** The log has an `ERROR` when the breaker opens, another every minute with the number and the age of the
//!   deliveries that wait and the cause, and an `INFO` when it closes. [`status`](SpillInbox::status),
//!   [`Receiver::health`](crate::Receiver::health) and the metrics have the same numbers.
//! - **For outages only.** `check` succeeds during an outage, because deliveries can be recorded. An error that does not end by
//!   itself ([`is_permanent`](crate::StoreErrorKind::is_permanent)), such as a wrong password, stops the start, and makes `check`
//!   fail while the application runs.
//!
//! Claiming, settling and reading use the primary inbox only, so workers do not handle deliveries that wait in the spill.

mod breaker;
mod failing;
mod inbox;
mod memory;
mod mover;
mod moving;
mod options;
mod shared;
mod store;

pub use self::inbox::SpillInbox;
pub use self::memory::MemorySpill;
pub use self::options::SpillOptions;
pub use self::store::{MovingLock, SpillCounts, SpillId, SpillStore};
pub use crate::inbox::SpillStatus;
