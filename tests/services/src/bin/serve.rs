//! Runs a temporary server until it is killed, and prints its URL: `serve postgres` or `serve redis`.

use std::error::Error;

use onramp_webhooks_services::{Postgres, Redis};

fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args().nth(1).as_deref() {
        Some("postgres") => {
            let server = Postgres::start()?;
            serve(&server.url())
        }
        Some("redis") => {
            let server = Redis::start()?;
            serve(&server.url())
        }
        _ => Err("name a server: postgres or redis".into()),
    }
}

fn serve(url: &str) -> ! {
    println!("{url}");
    loop {
        std::thread::park();
    }
}
