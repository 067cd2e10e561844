//! Faults that only a server has, each test with a dedicated server.

mod answering;
mod between;
mod cluster;
mod forgetting;
mod losing;
mod refusing;
