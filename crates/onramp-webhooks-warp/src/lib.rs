#![doc = include_str!("../README.md")]

mod allow_list;
mod extract;
mod idempotency;
mod reply;
mod request;
mod routes;

pub use onramp_webhooks as core;

pub use self::allow_list::allow_list;
pub use self::extract::{KriptomatPostback, WertEvent};
pub use self::idempotency::idempotency;
pub use self::reply::Reply;
pub use self::routes::routes;
