//! What only a server can suffer, each test with a server of its own.

mod answering;
mod between;
mod cluster;
mod forgetting;
mod losing;
mod refusing;
