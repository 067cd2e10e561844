//! Whether it is noticed that a provider stops sending, and not too often.

mod health;
mod logs;
mod refusing;
mod restarts;
mod rhythms;
mod stage;
