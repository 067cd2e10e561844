//! PostgreSQL in front, a spill on the local disk behind it: restarts, a server that stands still, a network that is cut, and processes
//! that are killed.

mod host;
mod killed;
mod outages;
mod telling;
