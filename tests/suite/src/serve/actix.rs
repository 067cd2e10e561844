//! The site of the adapter suite, on actix-web. Over TCP it has the server that the guide advises.

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpResponse, HttpServer};
use onramp_webhooks::{Kriptomat, Wert};
use onramp_webhooks_actix::{Reply, Webhook, allow_list, idempotency, page, routes};
use onramp_webhooks_server::ActixServer;
use onramp_webhooks_testkit::adapter::{Listener, Site};

/// Serves the site until it is stopped.
#[tokio::main]
pub async fn serve(site: Site) {
    let served = site.clone();
    let app = move || {
        let site = served.clone();
        App::new()
            .app_data(Data::new(site.clone()))
            .service(web::scope("/webhooks").service(routes(site.receiver())))
            .route(
                "/inline/wert",
                web::post().to(async |site: Data<Site>, Webhook(event): Webhook<Wert>| Reply(site.wert(event))),
            )
            .route(
                "/inline/kriptomat",
                web::post().to(async |site: Data<Site>, Webhook(postback): Webhook<Kriptomat>| {
                    Ok::<_, Reply>(Reply(site.kriptomat(postback?)))
                }),
            )
            .service(web::resource("/guarded").wrap(allow_list(site.gate())).to(async |site: Data<Site>| site.guarded()))
            .service(web::scope("/once").wrap(idempotency(site.by_header())).route("/{route}", web::route().to(work)))
            .service(web::scope("/again").wrap(idempotency(site.by_header())).route("/{route}", web::route().to(work)))
            .service(web::scope("/event").wrap(idempotency(site.by_event())).route("/{route}", web::route().to(work)))
            .service(web::scope("/page").service(page(site.page())))
            .route("/elsewhere", web::get().to(async |site: Data<Site>| site.elsewhere()))
    };
    match site.listener() {
        Listener::Tcp(listener) => ActixServer::new(listener).workers(1).serve(app, site.stopped()).await.unwrap(),
        Listener::Unix(listener) => {
            let server = HttpServer::new(app).workers(1).shutdown_timeout(30).shutdown_signal(site.stopped());
            server.listen_uds(listener).unwrap().run().await.unwrap();
        }
    }
}

async fn work(site: Data<Site>, body: Bytes) -> HttpResponse {
    let worked = site.work(body).await;
    let mut response = HttpResponse::build(StatusCode::from_u16(worked.status).unwrap());
    for line in &worked.headers {
        response.append_header(*line);
    }
    match worked.stream() {
        Some(stream) => response.streaming(stream),
        None => response.body(worked.body),
    }
}
