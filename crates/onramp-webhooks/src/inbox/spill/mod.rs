//! An inbox made of two: while the first is away or slow, deliveries are kept in a spill on the local disk, and acknowledged.
//!
//! ```
//! use onramp_webhooks::inbox::spill::{MemorySpill, SpillInbox};
//! use onramp_webhooks::inbox::MemoryInbox;
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
//! - **Acknowledged at once.** A delivery waits for the first inbox no longer than the [patience](SpillOptions::patience). After the first
//!   that had to, a breaker is open and deliveries go straight to the spill, until the first inbox is back and has all that waited.
//! - **Nothing is lost.** A delivery is removed from the spill after the first inbox has recorded it durably. What is lost with the disk
//!   of a machine during an outage is what waited there.
//! - **Nothing is handled twice that has a key.** The first inbox says what is a duplicate or a conflict when a delivery moves, also of
//!   what waited on other machines. A crash between recording there and removing here, or an answer that came too late, moves a
//!   delivery again: then it is its own duplicate, and one without any key, such as Wert's `test`, is there twice.
//! - **In order.** The events of one order move in the order in which they came, and before any later one is recorded directly. Between
//!   machines, and when the spill itself cannot be written, there is no such order.
//! - **Nothing blocks the rest.** A delivery that the first inbox refuses for half a minute while it takes others is set aside, logged as an
//!   error and kept: see [`SpillInbox::set_aside`].
//! - **Seen.** The log says at `ERROR` that the breaker opened and at `INFO` that it closed;
//!   [`status`](SpillInbox::status) and metrics say how much waits. `check` stays `Ok`, because deliveries can be recorded.
//!
//! All that is not recording goes to the first inbox: workers handle nothing of what waits in the spill.

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
pub use self::store::{MovingLock, SetAside, SpillCounts, SpillId, SpillStore};
