//! The page of a site.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use onramp_webhooks::adapter::{Page, PageRequest, PageResponse};
use tokio::sync::watch;

/// The page that is mounted at `/page`. It reports the request that reached it, and streams at `/stream`.
#[derive(Clone)]
pub struct SitePage(pub(super) watch::Receiver<bool>);

#[async_trait]
impl Page for SitePage {
    async fn respond(&self, request: PageRequest) -> PageResponse {
        let mut let_go = self.0.clone();
        match request.path.as_str() {
            "/stream" => {
                let end = async move {
                    // The site outlives its page.
                    let _ = let_go.wait_for(|let_go| *let_go).await;
                    Bytes::from_static(b"the end")
                };
                let begin = stream::iter([Bytes::from_static(b"the beginning")]);
                PageResponse::stream(200, begin.chain(stream::once(end))).header("content-type", "text/event-stream")
            }
            "/invalid" => PageResponse::new(200, "split").header("x-internal", "a\r\nset-cookie: b"),
            _ => PageResponse::new(203, report(&request))
                .header("content-type", "text/plain")
                .header("set-cookie", "a=1")
                .header("set-cookie", "b=2"),
        }
    }
}

fn report(request: &PageRequest) -> String {
    let PageRequest { method, path, query, peer, body, .. } = request;
    let tag = request.lines("x-tag").map(|tag| String::from_utf8_lossy(tag)).collect::<Vec<_>>().join("+");
    let (query, peer) = (query.as_deref().unwrap_or("-"), peer.map_or("-".to_owned(), |peer| peer.to_string()));
    format!("{method} {path} {query} {peer} {tag} {}", String::from_utf8_lossy(body))
}

impl fmt::Debug for SitePage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SitePage")
    }
}
