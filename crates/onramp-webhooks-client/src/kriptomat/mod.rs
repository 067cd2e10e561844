//! Kriptomat's API: starting the widget.

mod api;
mod request;
mod widget;

pub use self::api::KriptomatApi;
pub use self::request::{AmountType, WidgetRequest};
pub use self::widget::Widget;
