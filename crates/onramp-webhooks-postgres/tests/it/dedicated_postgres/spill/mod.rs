//! PostgreSQL with a spill on the local disk: restarts, a frozen server, a cut network, and processes
//! that are killed.

mod host;
mod killed;
mod outages;
mod telling;
