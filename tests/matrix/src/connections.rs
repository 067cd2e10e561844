//! Cases about connections that cost a server something and bring it nothing. Their sites run in processes of their own, which have their
//! own file descriptors.

use std::time::Duration;

use onramp_webhooks_testkit::adapter::{Connection, SOON, Site, Transcript};
use onramp_webhooks_testkit::events::WertOrder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::column::Column;
use crate::site::SiteProcess;

/// The time for a site to start, and to close what it will not serve. Heads that do not end have 10 s.
const PATIENCE: Duration = SOON.saturating_mul(2);

/// A case, which returns the responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnectionCase {
    HalfOpenHeadsAreClosed,
    FileDescriptorsThatAreUsedUpAreFreeAgain,
}

impl ConnectionCase {
    pub(crate) const ALL: [Self; 2] = [Self::HalfOpenHeadsAreClosed, Self::FileDescriptorsThatAreUsedUpAreFreeAgain];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::HalfOpenHeadsAreClosed => "connections::half_open_heads_are_closed",
            Self::FileDescriptorsThatAreUsedUpAreFreeAgain => "connections::file_descriptors_that_are_used_up_are_free_again",
        }
    }

    /// Begins heads, in the second case more than the site may have file descriptors, and sends an event beside them and one afterwards.
    pub(crate) async fn run(self, column: Column) -> Vec<String> {
        let (open_files, heads) = match self {
            Self::HalfOpenHeadsAreClosed => (1024, 300),
            Self::FileDescriptorsThatAreUsedUpAreFreeAgain => (100, 110),
        };
        let site = timeout(PATIENCE, SiteProcess::start(column, open_files)).await.expect("the site starts");
        let mut half_open = Vec::new();
        for _ in 0..heads {
            let mut connection = TcpStream::connect(site.address).await.unwrap();
            connection.write_all(format!("POST {} HTTP/1.1\r\nhost: si", Site::WERT).as_bytes()).await.unwrap();
            half_open.push(connection);
        }
        let transcript = Transcript::default();
        send_event(&site, &transcript).await;
        for mut connection in half_open {
            // The error is a reset.
            let _ = timeout(PATIENCE, connection.read_to_end(&mut Vec::new())).await.expect("the site closes the connection");
        }
        send_event(&site, &transcript).await;
        transcript.lines()
    }
}

async fn send_event(site: &SiteProcess, transcript: &Transcript) {
    let body = WertOrder::new().complete();
    let head = format!("POST {} HTTP/1.1\r\nhost: site\r\ncontent-length: {}\r\n\r\n", Site::WERT, body.len());
    let mut connection = Connection::open(site.address).await.noting(transcript);
    connection.send([head.as_bytes(), &body].concat()).await;
    connection.answer().await.assert_received();
}
