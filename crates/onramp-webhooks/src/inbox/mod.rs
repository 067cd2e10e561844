//! Inboxes: durable stores of deliveries between receivers and workers.
//!
//! [`Inbox`] is the contract of every store. [`MemoryInbox`] implements it for tests; `onramp-webhooks-sqlite` and
//! `onramp-webhooks-postgres` implement it on disk. Operators use [`Inbox::list`], [`Inbox::show`], [`Inbox::open_counts`],
//! [`Inbox::resolve`] and [`replay`].

mod claim;
mod contradicted;
mod dead_cause;
mod filter;
mod history;
mod json_line;
mod lease;
mod lookup;
mod memory;
mod page;
mod query;
mod record;
mod replay;
mod resolve;
mod restore;
mod retention;
mod shared;
mod space;
mod spill_status;
mod state;
mod store;
mod tally;
mod task_state;
mod transactional;

pub use self::claim::{Candidate, Candidates, ClaimRequest, Claims, SUSPECT_AFTER};
pub use self::contradicted::contradicted;
pub use self::dead_cause::DeadCause;
pub use self::filter::Filter;
pub use self::history::{HistoryEntry, HistoryKind, MOST_ENTRIES};
pub use self::json_line::JsonLineError;
pub use self::lease::{ClaimedDelivery, Lease, Settled, Settlement};
pub use self::lookup::Lookup;
pub use self::memory::MemoryInbox;
pub use self::page::{Page, find_first, list_all};
pub use self::query::{Counts, Record};
pub use self::record::{Recorded, conflict_note};
pub use self::replay::{ReplayScope, Replayed, Requeue, replay, replay_all};
pub use self::resolve::why_not_resolved;
pub use self::restore::{Restored, restorable};
pub use self::retention::{Retention, why_not_forgotten};
pub use self::space::Space;
pub use self::spill_status::SpillStatus;
pub use self::state::{State, UnknownState};
pub use self::store::{Inbox, QuarantineBound};
pub use self::tally::{Tallies, Tally, error_group, tally};
pub use self::task_state::TaskState;
pub use self::transactional::TransactionalInbox;
pub use crate::delivery::{DeliveryId, NewDelivery, Quarantine, SyntheticError};
