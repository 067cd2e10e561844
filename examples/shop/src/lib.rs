#![doc = include_str!("../README.md")]

mod answer;
mod buy;
mod config;
mod credit;
mod handler;
mod open;
mod output;
mod points;
mod run;
mod shop;
mod stop;

pub use self::answer::Answer;
pub use self::config::{Config, ConfigError};
pub use self::run::run;
pub use self::shop::Shop;
