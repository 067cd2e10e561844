//! Wert's Data API: querying orders, confirming purchases, reconciling an inbox.
//!
//! - [`WertDataApi`] returns orders: by their ids, or all that match an [`OrdersQuery`].
//! - [`Confirmation`] is a check that confirms each purchase before a handler gets it. [`WertDataApi::confirm`] does the same on demand.
//! - [`Reconciler`] finds the completed orders whose event was never received, and records them.
//!
//! A pager returns the orders page by page:
//!
//! ```
//! use onramp_webhooks_client::wert::{OrdersQuery, WertDataApi};
//! use onramp_webhooks_testkit::events::WertOrder;
//! use onramp_webhooks_testkit::provider::FakeProvider;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let provider = FakeProvider::start().await;
//! for _ in 0..45 {
//!     provider.add_order(&WertOrder::new(), "success");
//! }
//! let wert = WertDataApi::at(provider.url(), FakeProvider::API_KEY).build()?;
//! let mut pager = wert.pager(OrdersQuery::new().oldest_first());
//! let mut pages = Vec::new();
//! while let Some(rows) = pager.next_page().await? {
//!     pages.push(rows.len());
//! }
//! assert_eq!(pages, [20, 20, 5]);
//! # Ok(())
//! # }
//! ```

mod api;
mod compare;
mod confirmation;
mod find;
mod pace;
mod page;
mod pager;
mod query;
mod reconcile;
mod row;
mod status;
mod timestamp;

pub use self::api::WertDataApi;
pub use self::compare::{Difference, Verdict};
pub use self::confirmation::{Confirmation, ConfirmationBuilder, EndpointError};
pub use self::page::Page;
pub use self::pager::{OrdersPager, ParsePositionError, Position};
pub use self::query::OrdersQuery;
pub use self::reconcile::{
    Checkpoint, Finding, Phase, ReconcileError, ReconcileRun, Reconciler, Step, Summary, Window, WrongCheckpoint,
};
pub use self::row::OrderRow;
pub use self::status::OrderStatus;
