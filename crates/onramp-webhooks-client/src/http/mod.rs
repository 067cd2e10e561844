//! The HTTP client: retries, timeouts and size limits.

mod attempt;
mod base_url;
mod builder;
mod call;
mod connection;
mod retry_after;

pub use self::builder::ApiBuilder;
pub(crate) use self::builder::FromConnection;
pub(crate) use self::call::Call;
pub(crate) use self::connection::Connection;
