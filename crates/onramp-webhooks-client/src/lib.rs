#![doc = include_str!("../README.md")]

mod error;
mod http;
mod json;
pub mod kriptomat;
mod secret;
pub mod wert;

pub use self::error::{ClientError, ClientErrorKind};
pub use self::http::ApiBuilder;
#[doc(inline)]
pub use self::kriptomat::KriptomatApi;
#[doc(inline)]
pub use self::wert::WertDataApi;
