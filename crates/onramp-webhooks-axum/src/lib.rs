#![doc = include_str!("../README.md")]

mod allow_list;
mod client;
mod extract;
mod health;
mod idempotency;
mod page;
mod reply;
mod request;
mod routes;

pub use onramp_webhooks as core;

pub use self::allow_list::allow_list;
pub use self::client::Client;
pub use self::extract::Webhook;
pub use self::health::health;
pub use self::idempotency::idempotency;
pub use self::page::page;
pub use self::reply::Reply;
pub use self::routes::routes;
