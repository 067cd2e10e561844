//! An application whose inbox and whose own tables, reached through sqlx, live in one SQLite file.

use anyhow::ensure;
use onramp_webhooks::inbox::Inbox;
use onramp_webhooks_sqlite::SqliteInbox;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("shop.db");

    let inbox = SqliteInbox::open(&file).await?;
    inbox.check().await?;

    let pool = SqlitePool::connect_with(SqliteConnectOptions::new().filename(&file)).await?;
    let inbox_tables: i64 =
        sqlx::query_scalar("SELECT count(*) FROM sqlite_schema WHERE type = 'table'").fetch_one(&pool).await?;
    ensure!(inbox_tables > 0, "sqlx does not see the inbox's tables");

    sqlx::query("CREATE TABLE points (customer TEXT PRIMARY KEY, points TEXT NOT NULL) STRICT").execute(&pool).await?;
    sqlx::query("INSERT INTO points VALUES ('alice', '200')").execute(&pool).await?;
    inbox.check().await?;
    let points: String = sqlx::query_scalar("SELECT points FROM points WHERE customer = 'alice'").fetch_one(&pool).await?;
    ensure!(points == "200", "sqlx reads {points} where it wrote 200");

    println!("the inbox and sqlx work on one file in one process");
    Ok(())
}
