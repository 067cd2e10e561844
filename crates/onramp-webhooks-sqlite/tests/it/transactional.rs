//! Handlers that write through the inbox's transactions.

use std::path::PathBuf;
use std::sync::Arc;

use onramp_webhooks::{HandlerError, async_trait};
use onramp_webhooks_sqlite::{SqliteInbox, SqliteTransaction};
use onramp_webhooks_testkit::transactional::{Fixture, Ledger};
use rusqlite::Connection;

use crate::tools::file;

struct Shop {
    inbox: Arc<SqliteInbox>,
    path: PathBuf,
}

#[async_trait]
impl Ledger for Shop {
    type Inbox = SqliteInbox;

    fn inbox(&self) -> Arc<SqliteInbox> {
        Arc::clone(&self.inbox)
    }

    async fn credit(&self, transaction: &mut SqliteTransaction, cents: i64) -> Result<(), HandlerError> {
        transaction.call(move |connection| connection.execute("INSERT INTO ledger VALUES (?)", [cents])).await?;
        Ok(())
    }

    async fn fail(&self, transaction: &mut SqliteTransaction) -> Result<(), HandlerError> {
        transaction.call(|connection| connection.execute("INSERT INTO ledger VALUES (NULL)", [])).await?;
        Ok(())
    }

    async fn end(&self, transaction: &mut SqliteTransaction) -> Result<(), HandlerError> {
        transaction.call(|connection| connection.execute_batch("COMMIT")).await?;
        Ok(())
    }

    async fn total(&self) -> i64 {
        let connection = Connection::open(&self.path).unwrap();
        connection.query_row("SELECT coalesce(sum(cents), 0) FROM ledger", [], |row| row.get(0)).unwrap()
    }
}

async fn open() -> Fixture {
    let (folder, path) = file();
    let inbox = Arc::new(SqliteInbox::open(&path).await.unwrap());
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE ledger (cents INTEGER NOT NULL)").unwrap();
    Fixture::new(Shop { inbox, path }).keeping(folder)
}

onramp_webhooks_testkit::transactional_suite!(open);
