//! A dedicated Redis server.

use onramp_webhooks_services::probe::{Access, redis};
use onramp_webhooks_services::{Redis, RedisOptions, ServiceError};

#[test]
fn without_a_file_a_restart_forgets() {
    let mut server = Redis::start().unwrap();
    let url = server.url();
    server.command("SET key value").unwrap();
    server.restart().unwrap();
    assert_eq!(redis(&url).unwrap(), Access::Open);
    assert_eq!(server.command("EXISTS key").unwrap(), "0");
    server.stop().unwrap();
    redis(&url).unwrap_err();
}

#[test]
fn with_a_file_a_kill_forgets_nothing_and_a_flush_everything() {
    let mut server = RedisOptions::new().append_only(true).start().unwrap();
    server.command("SET key value").unwrap();
    server.stop_immediate().unwrap();
    server.start_again().unwrap();
    assert_eq!(server.command("EXISTS key").unwrap(), "1");
    server.flush().unwrap();
    assert_eq!(server.command("EXISTS key").unwrap(), "0");
}

#[test]
fn a_frozen_one_answers_nothing_until_it_is_thawed_and_can_be_dropped() {
    let server = Redis::start().unwrap();
    server.freeze().unwrap();
    redis(&server.url()).unwrap_err();
    server.thaw().unwrap();
    assert_eq!(redis(&server.url()).unwrap(), Access::Open);
    server.freeze().unwrap();
    let url = server.url();
    drop(server);
    redis(&url).unwrap_err();
}

#[test]
fn settings_and_errors_are_handed_on() {
    let server = RedisOptions::new().setting("requirepass", "secret").start().unwrap();
    assert_eq!(redis(&server.url()).unwrap(), Access::Guarded);
    assert!(matches!(server.flush().unwrap_err(), ServiceError::Refused { reply, .. } if reply.starts_with("NOAUTH")));
    let error = RedisOptions::new().setting("maxmemory", "little").start().unwrap_err();
    assert!(matches!(&error, ServiceError::DidNotStart { log, .. } if log.contains("maxmemory")), "{error}");
}

#[test]
fn several_run_beside_each_other() {
    let servers: Vec<_> = std::iter::repeat_with(|| Redis::start().unwrap()).take(5).collect();
    servers.iter().for_each(|server| assert_eq!(redis(&server.url()).unwrap(), Access::Open));
}
