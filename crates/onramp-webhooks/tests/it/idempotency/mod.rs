//! The idempotency middleware over the store in memory.

mod faulty;
mod harness;
mod keys;
mod leases;
mod limits;
mod replies;
mod running;
