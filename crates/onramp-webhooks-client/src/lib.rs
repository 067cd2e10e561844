#![doc = include_str!("../README.md")]

mod error;
mod http;
mod json;
pub mod kriptomat;
mod secret;
pub mod wert;

pub use self::error::{ClientError, ClientErrorKind};
pub use self::http::ApiBuilder;
pub use self::kriptomat::KriptomatApi;
pub use self::wert::WertDataApi;
