//! Prepared statements that the calls of one transaction share.

use rusqlite::{CachedStatement, Connection};

const INSERT: &str = "INSERT INTO onramp_deliveries
        (endpoint, provider, event_type, subject, discriminator, key_expires_at, stage, shared, fingerprint, state, due_at, waits_at,
        received_at, note)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

const ONE_OF_SUBJECT: &str =
    "SELECT id, shared FROM onramp_deliveries INDEXED BY onramp_deliveries_key WHERE subject = ? LIMIT 1";

const INSERT_BODY: &str = "INSERT INTO onramp_bodies (id, body) VALUES (?, ?)";

/// A transaction shared by many calls. It keeps the statements that nearly all calls use, because looking up a cached statement costs as
/// much as running it.
pub(crate) struct Batch<'a> {
    pub(crate) connection: &'a Connection,
    one_of_subject: Option<CachedStatement<'a>>,
    insert: Option<CachedStatement<'a>>,
    insert_body: Option<CachedStatement<'a>>,
}

impl<'a> Batch<'a> {
    pub(crate) const fn new(connection: &'a Connection) -> Self {
        Self { connection, one_of_subject: None, insert: None, insert_body: None }
    }

    /// Returns the statement that finds any delivery with a subject.
    pub(crate) fn one_of_subject(&mut self) -> rusqlite::Result<&mut CachedStatement<'a>> {
        prepared(&mut self.one_of_subject, self.connection, ONE_OF_SUBJECT)
    }

    /// Returns the statement that inserts a row of fourteen columns.
    pub(crate) fn insert(&mut self) -> rusqlite::Result<&mut CachedStatement<'a>> {
        prepared(&mut self.insert, self.connection, INSERT)
    }

    /// Returns the statement that inserts a body under an id.
    pub(crate) fn insert_body(&mut self) -> rusqlite::Result<&mut CachedStatement<'a>> {
        prepared(&mut self.insert_body, self.connection, INSERT_BODY)
    }
}

fn prepared<'s, 'a>(
    slot: &'s mut Option<CachedStatement<'a>>,
    connection: &'a Connection,
    sql: &str,
) -> rusqlite::Result<&'s mut CachedStatement<'a>> {
    match slot {
        Some(statement) => Ok(statement),
        empty => Ok(empty.insert(connection.prepare_cached(sql)?)),
    }
}
