//! The cases, by what they are about. Each takes the path of a shop's binary.

pub mod crash;
pub mod documented;
pub mod door;
pub mod environment;
pub mod faults;
pub mod read_only;
pub mod same_event;
pub mod stop;
pub mod together;
