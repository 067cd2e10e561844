//! Wert's widget events.
//!
//! Facts come from Wert's documentation of widget events and from payloads seen in public receivers, which disagree in places: an
//! order may lack its id, base and quote change places, and what has no value may be missing, null or empty. Of a known type, what
//! is missing is `None` where that was ever seen; what is there must fit. New types, fields and states are kept.

mod account;
mod endpoint;
mod event;
mod identity;
mod order;
mod payload;
mod verification;

pub use account::{Account, User, VerificationLevel, VerificationState, VerificationStatus};
pub use endpoint::Wert;
pub use event::WertEvent;
pub use identity::{completed_order, completion_keys};
pub use order::{Order, PartnerData};
pub use payload::WertPayload;
pub use verification::Verification;
