//! PostgreSQL in front, a spill on the local disk behind it: restarts, a server that stands still, a network that is cut, and processes
//! that are killed. Needs the programs of a PostgreSQL server, `initdb` and `postgres`.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test speaks by panicking")]

mod host;
mod killed;
mod outages;
mod proxy;
mod server;
