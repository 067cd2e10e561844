#![doc = include_str!("../README.md")]

mod reply;
mod request;
mod routes;

pub use onramp_webhooks as core;

pub use self::routes::routes;
