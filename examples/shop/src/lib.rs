#![doc = include_str!("../README.md")]

mod buy;
mod config;
mod credit;
mod handler;
mod open;
mod output;
mod points;
mod response;
mod run;
mod secret;
mod shop;
mod stop;
mod waiting;

pub use self::buy::{LARGEST_REQUEST, in_time};
pub use self::config::{Config, ConfigError};
pub use self::response::Response;
pub use self::run::run;
pub use self::shop::Shop;
