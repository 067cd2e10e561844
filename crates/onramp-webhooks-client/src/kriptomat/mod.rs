//! Kriptomat's API: starting the widget.
//!
//! [`KriptomatApi::start`] starts a widget and stores its purchase, against which
//! [`KnownPurchases`](onramp_webhooks::purchases::KnownPurchases) checks the postback before it is handled.
//!
//! ```
//! use onramp_webhooks::purchases::{MemoryPurchaseStore, PurchaseStore};
//! use onramp_webhooks_client::kriptomat::{KriptomatApi, WidgetRequest};
//! use onramp_webhooks_testkit::provider::FakeProvider;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let provider = FakeProvider::start().await;
//! let kriptomat = KriptomatApi::at(provider.url(), FakeProvider::TOKEN).build()?;
//! let purchases = MemoryPurchaseStore::new();
//!
//! let request = WidgetRequest::new().asset_type("eth").fiat_amount("35".parse()?).additional_field(0, "customer-7");
//! let widget = kriptomat.start(&request, &purchases).await?;
//!
//! let uuid = widget.uuid.unwrap();
//! assert!(purchases.find(&uuid.as_str().into()).await?.started.is_some());
//! # Ok(())
//! # }
//! ```

mod api;
mod request;
mod widget;

pub use self::api::KriptomatApi;
pub use self::request::WidgetRequest;
pub use self::widget::Widget;
