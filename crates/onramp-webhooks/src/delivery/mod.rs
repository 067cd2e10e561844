//! Deliveries before they are recorded: accepted bodies and the data read from them.

mod new;
pub(crate) mod read;
mod synthetic;

pub use self::new::{DeliveryId, NewDelivery, Quarantine};
pub use self::synthetic::SyntheticError;
