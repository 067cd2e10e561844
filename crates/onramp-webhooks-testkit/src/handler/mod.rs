//! Helpers for tests of handlers: deliveries as a worker passes them, and single attempts with or without a transaction.

mod attempt;
mod delivery;
mod until;

pub use self::attempt::{handled, handled_in};
pub use self::delivery::{TestDelivery, delivery};
pub use self::until::until;
