//! The cases, by what they are about. Each takes a shop's binary, and where it is to keep its data.

pub mod crash;
pub mod documented;
pub mod door;
pub mod environment;
pub mod faults;
pub mod fleet;
pub mod outage;
pub mod providers;
pub mod read_only;
pub mod same_event;
pub mod stop;
pub mod together;
pub mod watch;
