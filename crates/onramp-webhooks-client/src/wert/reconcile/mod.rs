//! Reconciliation: comparing Wert's orders with the deliveries in an inbox, as a safety net for lost events.

mod beginning;
mod checkpoint;
mod deliveries;
mod finding;
mod order;
mod periodic;
mod progress;
mod reconciler;
mod repair_guard;
mod run;
mod slice;
mod summary;
mod synthetic;
mod window;

pub use self::checkpoint::{Checkpoint, Phase};
pub use self::finding::Finding;
pub use self::reconciler::{Reconciler, WrongCheckpoint};
pub use self::run::{ReconcileError, ReconcileRun, Step};
pub use self::summary::Summary;
pub use self::window::Window;
use super::compare::{Lookup, Lookups};
use super::{OrderRow, OrderStatus, OrdersPager, OrdersQuery, Position, WertDataApi, pager, query, timestamp};
use crate::error::ClientError;
