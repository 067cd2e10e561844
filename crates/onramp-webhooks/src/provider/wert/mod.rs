//! Wert's widget events.
//!
//! Facts come from Wert's documentation of widget events and from payloads seen in public receivers, which disagree in places: an
//! order may lack its id, base and quote may be swapped, and an absent value may be missing, null or empty. In events of a known type,
//! fields that were ever seen missing are optional, and present fields must fit. New types, fields and states are kept.

mod account;
mod event;
mod id;
mod identity;
mod order;
mod payload;
mod provider;
mod verification;

pub use self::account::{Account, User, VerificationLevel, VerificationState, VerificationStatus};
pub use self::event::WertEvent;
pub use self::id::{ClickId, SessionId, UserId};
pub use self::identity::{completed_order, completion_keys};
pub use self::order::{Order, PartnerData};
pub use self::payload::WertPayload;
pub use self::provider::Wert;
pub use self::verification::Verification;
