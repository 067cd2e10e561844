//! The watchdog: providers that stop sending are reported, and no others.

pub(crate) mod harness;
mod health;
mod logs;
mod refusing;
mod restarts;
mod silence;
mod unclaimed;
