//! A dedicated PostgreSQL server.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use onramp_webhooks_services::probe::{Access, postgres};
use onramp_webhooks_services::{PgBouncerOptions, Postgres, PostgresOptions, ServiceError};

#[test]
fn it_stops_and_starts_at_the_same_url() {
    let mut server = Postgres::start().unwrap();
    let url = server.url();
    assert_eq!(postgres(&url).unwrap(), Access::Open);
    server.stop_fast().unwrap();
    postgres(&url).unwrap_err();
    server.start_again().unwrap();
    server.start_again().unwrap();
    assert_eq!((postgres(&url).unwrap(), server.url()), (Access::Open, url.clone()));
    server.stop_immediate().unwrap();
    server.stop_immediate().unwrap();
    postgres(&url).unwrap_err();
    server.restart().unwrap();
    assert_eq!(postgres(&url).unwrap(), Access::Open);
    drop(server);
    postgres(&url).unwrap_err();
}

#[test]
fn a_frozen_one_answers_nothing_until_it_is_thawed_and_can_be_dropped() {
    let server = PostgresOptions::new().max_connections(10).start().unwrap();
    server.freeze().unwrap();
    postgres(&server.url()).unwrap_err();
    server.thaw().unwrap();
    assert_eq!(postgres(&server.url()).unwrap(), Access::Open);
    server.freeze().unwrap();
    let url = server.url();
    drop(server);
    postgres(&url).unwrap_err();
}

/// The process behind a connection differs from the process that accepts connections.
#[test]
fn a_frozen_one_answers_nothing_on_the_connections_that_it_has() {
    let server = Postgres::start().unwrap();
    let address = server.url();
    let address = address.trim_start_matches("postgres://postgres@").trim_end_matches("/postgres");
    let mut connection = TcpStream::connect(address).unwrap();
    connection.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    connection.write_all(b"\0\0\0\x17\0\x03\0\0user\0postgres\0\0").unwrap();
    until_ready(&mut connection).unwrap();
    server.freeze().unwrap();
    connection.write_all(b"Q\0\0\0\x0dSELECT 1\0").unwrap();
    until_ready(&mut connection).unwrap_err();
    server.thaw().unwrap();
    until_ready(&mut connection).unwrap();
}

/// Reads messages of the server until it is ready for the next query.
fn until_ready(connection: &mut TcpStream) -> std::io::Result<()> {
    let mut heard = Vec::new();
    while !heard.ends_with(b"Z\0\0\0\x05I") {
        let mut byte = [0];
        connection.read_exact(&mut byte)?;
        heard.extend(byte);
    }
    Ok(())
}

#[test]
fn one_that_cannot_start_says_why_and_leaves_no_folder() {
    let parent = tempfile::tempdir().unwrap();
    std::fs::set_permissions(parent.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let error = PostgresOptions::new().folder(parent.path()).setting("max_connections", "many").start().unwrap_err();
    assert!(matches!(&error, ServiceError::DidNotStart { log, .. } if log.contains("max_connections")), "{error}");
    assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 0);
}

#[test]
fn a_database_is_copied_to_another_server_or_the_program_says_why() {
    let (old, new) = (Postgres::start().unwrap(), Postgres::start().unwrap());
    old.copy_database(&old.url(), &new.url()).unwrap();
    let error = old.copy_database(&format!("{}s", old.url()), &new.url()).unwrap_err();
    assert!(matches!(&error, ServiceError::Refused { name: "pg_dump", reply } if reply.contains("postgress")), "{error}");
    let error = old.copy_database(&old.url(), &format!("{}s", new.url())).unwrap_err();
    assert!(matches!(&error, ServiceError::Refused { name: "psql", .. }), "{error}");
}

#[test]
fn pgbouncer_stands_in_front_of_one() {
    let server = Postgres::start().unwrap();
    for options in [PgBouncerOptions::transaction_mode(), PgBouncerOptions::session_mode()] {
        let pooler = options.start(&server.url()).unwrap();
        assert_eq!(postgres(&pooler.url()).unwrap(), Access::Open);
        let url = pooler.url();
        drop(pooler);
        postgres(&url).unwrap_err();
    }
}
