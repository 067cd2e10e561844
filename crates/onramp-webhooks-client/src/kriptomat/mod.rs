//! Kriptomat's widget: the request that starts it.

mod api;
mod request;
mod widget;

pub use self::api::KriptomatApi;
pub use self::request::{AmountType, WidgetRequest};
pub use self::widget::Widget;
