//! The site of the adapter suite, on warp. Over TCP it has the server that the guide advises.

use std::convert::identity;

use bytes::Bytes;
use onramp_webhooks::{Kriptomat, Wert};
use onramp_webhooks_server::Server;
use onramp_webhooks_testkit::adapter::{Listener, Site};
use onramp_webhooks_warp::{Reply, Webhook, allow_list, idempotency, page, routes};
use warp::http::Response;
use warp::{Filter, Reply as _};

/// Serves the site until it is stopped.
#[tokio::main]
pub async fn serve(site: Site) {
    let with = || {
        let site = site.clone();
        warp::any().map(move || site.clone())
    };
    let wert = with()
        .and(Webhook::<Wert>::filter())
        .map(|site: Site, webhook: Result<Webhook<Wert>, Reply>| webhook.map(|webhook| Reply(site.wert(webhook.0))));
    let kriptomat = with()
        .and(Webhook::<Kriptomat>::filter())
        .map(|site: Site, webhook: Result<Webhook<Kriptomat>, Reply>| Ok::<_, Reply>(Reply(site.kriptomat(webhook?.0?))));
    let work = warp::path::param().and(warp::path::end()).and(with()).and(warp::body::bytes()).then(work);
    let app = warp::path("webhooks")
        .and(routes(site.receiver()))
        .or(warp::path!("inline" / "wert").and(warp::post()).and(wert))
        .or(warp::path!("inline" / "kriptomat").and(warp::post()).and(kriptomat))
        .or(allow_list(site.gate(), warp::path!("guarded"), with().map(|site: Site| site.guarded())))
        .or(idempotency(site.by_header(), warp::path("once"), work.clone()))
        .or(idempotency(site.by_header(), warp::path("again"), work.clone()))
        .or(idempotency(site.by_event(), warp::path("event"), work))
        .or(warp::path("page").and(page(site.page())))
        .or(warp::path!("elsewhere").and(warp::get()).and(with()).map(|site: Site| site.elsewhere()));
    match site.listener() {
        Listener::Tcp(listener) => {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            Server::new(listener).serve(warp::service(app), identity, site.stopped()).await;
        }
        Listener::Unix(listener) => {
            let listener = tokio::net::UnixListener::from_std(listener).unwrap();
            warp::serve(app).incoming(listener).graceful(site.stopped()).run().await;
        }
    }
}

async fn work(_route: String, site: Site, body: Bytes) -> warp::reply::Response {
    let worked = site.work(body).await;
    let response = Response::builder().status(worked.status);
    let response = worked.headers.iter().fold(response, |response, (name, value)| response.header(*name, *value));
    let (head, ()) = response.body(()).unwrap().into_parts();
    match worked.stream() {
        Some(stream) => warp::reply::Response::from_parts(head, warp::reply::stream(stream).into_response().into_body()),
        None => Response::from_parts(head, worked.body).into_response(),
    }
}
