//! Wert's widget events.
//!
//! The facts are from Wert's documentation of widget events and from payloads seen in public receivers. These disagree in places:
//! an order may lack its id, base and quote may be swapped, and an absent value may be missing, null or empty. In events of a known
//! type, fields that have been seen missing are optional, and fields that are present must be valid. New types, fields and states
//! are kept.

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
