//! Servers with other idempotency middleware around a handler that only reads the body. Prints its address, and then the cookies of the
//! requested number of sessions.

mod sessions;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;

use anyhow::{Context, bail};

use crate::sessions::Sessions;

const PATH: &str = "/wert/s3cret-for-examples";
const RECEIVED: &str = r#"{"received":true}"#;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let (framework, sessions) = (args.next().context("a framework")?, args.next().context("a number of sessions")?.parse()?);
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    listener.set_nonblocking(true)?;
    println!("{}", listener.local_addr()?);
    match framework.as_str() {
        "axum" => axum(listener, sessions).await,
        "actix" => actix(listener, sessions).await,
        other => bail!("no peer for {other}"),
    }
}

/// Uses the mode that its documentation calls the fastest, and a store with room for every session.
async fn axum(listener: TcpListener, sessions: u64) -> anyhow::Result<()> {
    use axum::Router;
    use axum::body::Bytes;
    use axum::routing::post;
    use axum_idempotent::{IdempotentLayer, IdempotentOptions};
    use ruts::store::moka::MokaStore;
    use ruts::{CookieOptions, SessionLayer};
    use tower_cookies::CookieManagerLayer;

    let cookies: Vec<String> = (0..sessions).map(|n| format!("session={n:021}A")).collect();
    println!("{}", cookies.join(" "));
    let store = Arc::new(MokaStore::builder().max_capacity(2 * sessions).build());
    let options = IdempotentOptions::new(24 * 3_600).use_idempotency_key_header(Some("idempotency-key"), true);
    let app = Router::new()
        .route(PATH, post(async |_: Bytes| RECEIVED))
        .layer(IdempotentLayer::<MokaStore>::new(options))
        .layer(SessionLayer::new(store).with_cookie_options(CookieOptions::build().name("session")))
        .layer(CookieManagerLayer::new());
    let listener = tokio::net::TcpListener::from_std(listener)?;
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await.context("serve")
}

/// Disables the hashing of headers and the encryption of cookies, which take time. Requests with different keys have different bodies, and
/// so different hashes.
async fn actix(listener: TcpListener, sessions: u64) -> anyhow::Result<()> {
    use actix_idempotent::{IdempotentFactory, IdempotentOptions};
    use actix_session::SessionMiddleware;
    use actix_session::config::CookieContentSecurity;
    use actix_web::cookie::Key;
    use actix_web::web::{self, Bytes};
    use actix_web::{App, HttpServer};

    let (store, key) = (Sessions::default(), Key::generate());
    println!("{}", store.create(sessions, "session", &key).join(" "));
    let app = move || {
        let sessions = SessionMiddleware::builder(store.clone(), key.clone())
            .cookie_name("session".to_owned())
            .cookie_content_security(CookieContentSecurity::Signed)
            .build();
        App::new()
            .wrap(IdempotentFactory::new(IdempotentOptions::default().ignore_all_headers()))
            .wrap(sessions)
            .route(PATH, web::post().to(async |_: Bytes| RECEIVED))
    };
    HttpServer::new(app).listen(listener)?.run().await.context("serve")
}
