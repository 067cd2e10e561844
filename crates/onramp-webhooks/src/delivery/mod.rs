//! Deliveries on their way into an inbox: accepted bodies and what was read from them.

mod new;
pub(crate) mod read;
mod synthetic;

pub use self::new::{DeliveryId, NewDelivery, Quarantine};
pub use self::synthetic::SyntheticError;
