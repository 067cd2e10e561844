//! What Wert knows, against what the inbox received: the safety net for events that never came.

mod finding;
mod received;
mod walk;

pub use self::finding::Finding;
pub use self::received::Received;
pub use self::walk::{ReconcileError, Reconciliation};
use super::{OrderRow, OrderStatus};
