//! The watchdog: providers that stop sending are reported, and no others.

mod harness;
mod health;
mod logs;
mod refusing;
mod restarts;
mod silence;
mod unclaimed;
