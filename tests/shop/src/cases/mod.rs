//! The cases by subject. Each takes a shop's binary and the kind of its database.

pub mod attacks;
pub mod connections;
pub mod crash;
pub mod day;
pub mod documented;
pub mod door;
pub mod environment;
pub mod faults;
pub mod fleet;
pub mod health;
pub mod nginx;
pub mod outage;
pub mod providers;
pub mod proxy_protocol;
pub mod read_only;
pub mod same_event;
pub mod soak;
pub mod stop;
pub mod together;
pub mod watch;
