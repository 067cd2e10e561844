//! The site of the adapter suite, on warp.

use bytes::Bytes;
use onramp_webhooks_testkit::adapter::{Listener, Site};
use onramp_webhooks_warp::{KriptomatPostback, Reply, WertEvent, allow_list, idempotency, routes};
use warp::http::Response;
use warp::{Filter, wrap_fn};

/// Serves the site until it is stopped.
#[tokio::main]
pub async fn serve(site: Site) {
    let with = || {
        let site = site.clone();
        warp::any().map(move || site.clone())
    };
    let wert = with()
        .and(WertEvent::filter())
        .map(|site: Site, event: Result<WertEvent, Reply>| event.map(|event| Reply(site.wert(event.0))));
    let kriptomat = with()
        .and(KriptomatPostback::filter())
        .map(|site: Site, postback: Result<KriptomatPostback, Reply>| postback.map(|postback| Reply(site.kriptomat(postback.0))));
    let work = warp::path::param().and(warp::path::end()).and(with()).and(warp::body::bytes()).then(work);
    let app = warp::path("webhooks")
        .and(routes(site.receiver()))
        .or(warp::path!("inline" / "wert").and(warp::post()).and(wert))
        .or(warp::path!("inline" / "kriptomat").and(warp::post()).and(kriptomat))
        .or(warp::path!("guarded").and(with().map(|site: Site| site.guarded()).with(wrap_fn(allow_list(site.gate())))))
        .or(warp::path("once").and(work.clone().with(wrap_fn(idempotency(site.by_header())))))
        .or(warp::path("again").and(work.clone().with(wrap_fn(idempotency(site.by_header())))))
        .or(warp::path("event").and(work.with(wrap_fn(idempotency(site.by_event())))))
        .or(warp::path!("elsewhere").and(warp::get()).and(with()).map(|site: Site| site.elsewhere()));
    match site.listener() {
        Listener::Tcp(listener) => {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            warp::serve(app).incoming(listener).graceful(site.stopped()).run().await;
        }
        Listener::Unix(listener) => {
            let listener = tokio::net::UnixListener::from_std(listener).unwrap();
            warp::serve(app).incoming(listener).graceful(site.stopped()).run().await;
        }
    }
}

async fn work(_route: String, site: Site, body: Bytes) -> Response<Bytes> {
    let worked = site.work(body).await;
    let response = Response::builder().status(worked.status);
    let response = worked.headers.into_iter().fold(response, |response, (name, value)| response.header(name, value));
    response.body(worked.body).unwrap()
}
