//! What Wert knows, against what the inbox received: the safety net for events that never came.

mod checkpoint;
mod compared;
mod completed;
mod doubts;
mod finding;
mod nameless;
mod pass;
mod reconciler;
mod summary;
mod synthetic;
mod window;

pub use self::checkpoint::{Checkpoint, Stage};
pub use self::finding::Finding;
pub use self::pass::{Pass, ReconcileError, Step};
pub use self::reconciler::{Reconciler, WrongCheckpoint};
pub use self::summary::Summary;
pub use self::window::Window;
use super::{OrderRow, OrderStatus, OrdersQuery, OrdersWalk, Position, WertDataApi};
use crate::error::ClientError;
use crate::times;
