//! A loyalty shop: one point per unit of fiat of every completed purchase, credited to Wert's `click_id` or Kriptomat's additional
//! field `0`.
//!
//! This is all of the shop but its routes, so that it is written once for every web framework: each brings its `main`, mounts the
//! receiver, and passes on two [`Answer`]s.
//!
//! | environment | default | |
//! | --- | --- | --- |
//! | `LISTEN` | `127.0.0.1:8080` | where to listen; port 0 takes any free one |
//! | `DATABASE_URL` | `sqlite://shop.db` | the file or the server (`postgres://user@host/database`) that holds the inbox and the points |
//! | `SPILL` | none | the file that takes events while that database is away or slow, as in `sqlite://spill.db` |
//! | `HANDLE` | `yes` | `no`: this process receives, and others on the same database handle |
//! | `WERT_SECRET` | `dev-secret` | the last segment of the address in Wert's dashboard |
//! | `KRIPTOMAT_ALLOW` | `174.138.2.203` | who may send Kriptomat's postbacks: addresses and networks, comma-separated |
//! | `TRUSTED_PROXIES` | none | proxies whose word on the client's address counts; same form |
//! | `CLIENT_IP_HEADER` | `x-forwarded-for` | the header in which they tell it |
//! | `WERT_API_KEY`, `WERT_API_URL` | none | confirm every purchase with Wert before it is credited, and look for what was never delivered |
//! | `RECONCILE_EVERY`, `RECONCILE_GRACE` | `900`, `900` | seconds between two such looks, and the age from which an order counts as missing |
//! | `KRIPTOMAT_TOKEN`, `KRIPTOMAT_API_URL` | none | start widgets at `POST /buy`, and credit no postback of any other |
//! | `PUBLIC_URL` | none | where Kriptomat reaches this shop, as in `https://shop.example` |
//! | `RUST_LOG` | `info` | what to log |
//!
//! Standard output has `listening on http://ADDRESS`, and then one line of JSON for every delivery handled; logs go to standard error.

mod answer;
mod buy;
mod config;
mod credit;
mod handler;
mod open;
mod output;
mod points;
mod run;
mod shop;
mod stop;

pub use self::answer::Answer;
pub use self::config::{Config, ConfigError};
pub use self::run::run;
pub use self::shop::Shop;
