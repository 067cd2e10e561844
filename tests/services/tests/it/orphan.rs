//! A server whose parent process is killed.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use onramp_webhooks_services::probe;

/// Starts `serve` in a separate process, kills that with SIGKILL, and waits until its server is gone.
fn is_not_left_behind(service: &str, answers: impl Fn(&str) -> bool) {
    let mut starter = Command::new(env!("CARGO_BIN_EXE_serve")).arg(service).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(starter.stdout.take().unwrap()).lines();
    let url = lines.next().unwrap().unwrap();
    assert!(answers(&url));
    starter.kill().unwrap();
    starter.wait().unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while answers(&url) {
        assert!(Instant::now() < deadline, "{service} was left behind");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn dedicated_postgres_is_not_left_behind() {
    is_not_left_behind("postgres", |url| probe::postgres(url).is_ok());
}

#[test]
fn dedicated_redis_is_not_left_behind() {
    is_not_left_behind("redis", |url| probe::redis(url).is_ok());
}
