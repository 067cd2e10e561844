//! Spill: an inbox that records on the local disk while its primary inbox is away or slow.
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
//! let receiver = Receiver::builder(inbox.clone()).endpoint(Wert::with_path_secret("s3cret")).build()?;
//! assert_eq!(inbox.status().await?.open_since, None);
//! # Ok(())
//! # }
//! ```
//!
//! - **Acknowledged at once.** A delivery waits for the primary inbox no longer than the [patience](SpillOptions::patience). After the
//!   first delivery that had to wait longer, a breaker opens and deliveries go straight to the spill, until the primary inbox is back
//!   and has everything that waited.
//! - **Nothing is lost.** A delivery is removed from the spill after the primary inbox has recorded it durably. If the disk of a machine
//!   is lost during an outage, the deliveries that waited there are lost with it.
//! - **Nothing with a key is handled twice.** The primary inbox finds duplicates and conflicts when a delivery moves, also between
//!   machines. A crash between recording there and removing here, or a late answer, moves a delivery again; it is its own duplicate
//!   then. A delivery without a key, such as Wert's `test`, is recorded twice.
//! - **In order.** The events of one order move in the order of arrival, and before a later one is recorded directly. The order is not
//!   kept between machines, or when the spill itself cannot be written.
//! - **Nothing blocks the rest.** A delivery that the primary inbox refuses is tried again with growing pauses and holds back only later
//!   events of its order.
//! - **Observable.** The log has an `ERROR` when the breaker opens and an `INFO` when it closes; [`status`](SpillInbox::status) and the
//!   metrics count the deliveries that wait. `check` succeeds meanwhile, because deliveries can be recorded.
//!
//! Everything but recording goes to the primary inbox: workers do not handle deliveries that wait in the spill.

mod breaker;
mod failing;
mod inbox;
mod memory;
mod mover;
mod moving;
mod options;
mod shared;
mod store;

pub use self::inbox::{SpillInbox, SpillStatus};
pub use self::memory::MemorySpill;
pub use self::options::SpillOptions;
pub use self::store::{MovingLock, SpillCounts, SpillId, SpillStore};
