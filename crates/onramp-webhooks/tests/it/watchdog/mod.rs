//! Whether it is noticed that a provider stops sending, and not too often.

mod harness;
mod health;
mod logs;
mod refusing;
mod restarts;
mod rhythms;
