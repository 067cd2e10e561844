//! Stores for tests that pass calls on to another store and change the behaviour of some of them.
//!
//! A double implements [`InboxDouble`], [`IdempotencyDouble`] or [`SpillDouble`]: it returns the store behind it and implements only the
//! calls that behave differently. [`Double`] wraps it in a store.
//!
//! ```
//! use std::sync::atomic::{AtomicBool, Ordering};
//!
//! use onramp_webhooks::inbox::{Inbox, MemoryInbox};
//! use onramp_webhooks::{StoreError, StoreErrorKind, async_trait};
//! use onramp_webhooks_testkit::doubles::{Double, InboxCall, InboxDouble};
//!
//! /// An inbox whose database can become unavailable.
//! #[derive(Debug, Default)]
//! struct Unreliable {
//!     inbox: MemoryInbox,
//!     away: AtomicBool,
//! }
//!
//! #[async_trait]
//! impl InboxDouble for Unreliable {
//!     fn inner(&self) -> &dyn Inbox {
//!         &self.inbox
//!     }
//!
//!     async fn before(&self, call: InboxCall) -> Result<(), StoreError> {
//!         match self.away.load(Ordering::Relaxed) {
//!             true => Err(StoreError::new(StoreErrorKind::Unavailable, "test").because(format!("{call:?}"))),
//!             false => Ok(()),
//!         }
//!     }
//! }
//!
//! # #[tokio::main]
//! # async fn main() {
//! let inbox = Double(Unreliable::default());
//! assert!(inbox.check().await.is_ok());
//! inbox.away.store(true, Ordering::Relaxed);
//! assert!(inbox.check().await.is_err());
//! # }
//! ```

#[macro_use]
mod double;
mod idempotency;
mod inbox;
mod spill;
mod taking_turns;

use std::ops::Deref;

pub use self::idempotency::{IdempotencyCall, IdempotencyDouble};
pub use self::inbox::{InboxCall, InboxDouble, TransactionalDouble};
pub use self::spill::{SpillCall, SpillDouble};
pub use self::taking_turns::TakingTurns;

/// A store that wraps a double.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "a wrapper that is written as one")]
pub struct Double<D>(pub D);

impl<D> Deref for Double<D> {
    type Target = D;

    fn deref(&self) -> &D {
        &self.0
    }
}
