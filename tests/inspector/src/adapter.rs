//! Servers of a page, by framework.

use std::net::{SocketAddr, TcpListener};

use actix_web::{App, HttpServer, web};
use onramp_webhooks::adapter::Page;
use warp::Filter;

/// A framework.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "tests run on all")]
pub enum Adapter {
    /// axum.
    Axum,
    /// actix-web.
    Actix,
    /// warp.
    Warp,
}

/// All frameworks.
pub const ADAPTERS: [Adapter; 3] = [Adapter::Axum, Adapter::Actix, Adapter::Warp];

impl Adapter {
    /// Serves a page at `/inspect` and at `/admin/tools/inspect` until the process ends. Returns the address.
    #[must_use]
    pub fn serve(self, page: impl Page + Clone, address: &str) -> SocketAddr {
        let listener = TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || match self {
            Self::Axum => axum(page, listener),
            Self::Actix => actix(page, listener),
            Self::Warp => warp(page, listener),
        });
        address
    }
}

#[tokio::main]
async fn axum(page: impl Page + Clone, listener: TcpListener) {
    let app = axum::Router::new()
        .nest_service("/inspect", onramp_webhooks_axum::page(page.clone()))
        .nest_service("/admin/tools/inspect", onramp_webhooks_axum::page(page))
        .into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(tokio::net::TcpListener::from_std(listener).unwrap(), app).await.unwrap();
}

#[tokio::main]
async fn actix(page: impl Page + Clone, listener: TcpListener) {
    let app = move || {
        App::new()
            .service(web::scope("/inspect").service(onramp_webhooks_actix::page(page.clone())))
            .service(web::scope("/admin/tools/inspect").service(onramp_webhooks_actix::page(page.clone())))
    };
    HttpServer::new(app).workers(1).disable_signals().listen(listener).unwrap().run().await.unwrap();
}

#[tokio::main]
async fn warp(page: impl Page + Clone, listener: TcpListener) {
    let short = warp::path("inspect").and(onramp_webhooks_warp::page(page.clone()));
    let long = warp::path!("admin" / "tools" / "inspect" / ..).and(onramp_webhooks_warp::page(page));
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    warp::serve(short.or(long)).incoming(listener).run().await;
}
