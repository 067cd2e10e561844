//! The log of a handler's transaction that is cut off.

use std::future::pending;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use onramp_webhooks::adapter::{Full, Request};
use onramp_webhooks::{Delivery, HandlerError, Receiver, TransactionalHandler, Wert, async_trait};
use onramp_webhooks_sqlite::{SqliteOptions, SqliteTransaction};
use onramp_webhooks_testkit::events::WertOrder;
use tokio::sync::mpsc;
use tracing::Level;

use crate::tools::file;

/// Sends the lines of the log.
#[derive(Clone)]
struct Lines(mpsc::UnboundedSender<String>);

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // The test may have ended.
        let _ = self.0.send(String::from_utf8_lossy(line).into_owned());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A handler that hangs in its transaction.
struct Hanging;

#[async_trait]
impl TransactionalHandler<SqliteTransaction> for Hanging {
    async fn handle(&self, _: &Delivery, transaction: &mut SqliteTransaction) -> Result<(), HandlerError> {
        transaction
            .call(|connection| connection.execute_batch("CREATE TABLE shop (x)"))
            .await
            .map_err(HandlerError::transient)?;
        pending().await
    }
}

#[tokio::test]
async fn it_names_the_delivery_and_the_option() {
    let (lines, mut logged) = mpsc::unbounded_channel();
    let lines = Lines(lines);
    tracing_subscriber::fmt().with_max_level(Level::WARN).with_ansi(false).with_writer(move || lines.clone()).init();
    let (_folder, path) = file();
    let inbox = Arc::new(SqliteOptions::new(path).longest_transaction(Duration::from_millis(100)).open().await.unwrap());
    let receiver = Receiver::builder(Arc::clone(&inbox)).endpoint(Wert::without_path_secret()).build().unwrap();
    let worker = receiver.transactional_worker(inbox, Hanging).grace(Duration::ZERO).spawn();
    let posted = receiver.receive(&Request::new("POST", "/wert", None, &[]), Full::new(WertOrder::new().complete())).await;
    assert_eq!(posted.status(), 200);
    let named = async {
        loop {
            let line = logged.recv().await.unwrap();
            if line.contains("open for too long") && line.contains("id=1 attempt=1 type=\"order_complete\"") {
                break line;
            }
        }
    };
    let line = tokio::time::timeout(Duration::from_secs(60), named).await.expect("no line names the delivery");
    assert!(line.contains("SqliteOptions::longest_transaction"), "{line}");
    worker.shutdown().await;
}
