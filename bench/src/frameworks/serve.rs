//! The servers in each framework.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;

use anyhow::Context;
use onramp_webhooks::adapter::AllowListGate;
use onramp_webhooks::allow_list::AllowList;
use onramp_webhooks::client_ip::ClientIp;
use onramp_webhooks::idempotency::{Idempotency, MemoryIdempotencyStore, Scope};
use onramp_webhooks::{Receiver, Wert};
use onramp_webhooks_sqlite::SqliteInbox;

use super::{Component, Framework};
use crate::server::{PATH, RECEIVED, SECRET};

/// Prints the address, and serves until the process is killed.
pub(crate) fn serve(framework: Framework, component: Component) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    listener.set_nonblocking(true)?;
    println!("{}", listener.local_addr()?);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match framework {
            Framework::Axum => axum(listener, component, folder.path()).await,
            Framework::Actix => actix(listener, component, folder.path()).await,
            Framework::Warp => warp(listener, component, folder.path()).await,
        }
    })
}

/// Returns an allow-list that contains the load generator.
fn gate() -> AllowListGate {
    AllowListGate::new(AllowList::new([std::net::IpAddr::from(Ipv4Addr::LOCALHOST)]), ClientIp::peer_only())
}

fn idempotency() -> anyhow::Result<Idempotency> {
    Ok(Idempotency::by_header(MemoryIdempotencyStore::new(), Scope::authorization()).build()?)
}

async fn receiver(folder: &Path) -> anyhow::Result<Receiver> {
    let inbox = SqliteInbox::open(folder.join("inbox.db")).await?;
    Ok(Receiver::builder(inbox).endpoint(Wert::with_path_secret(SECRET)).build()?)
}

async fn axum(listener: TcpListener, component: Component, folder: &Path) -> anyhow::Result<()> {
    use axum::Router;
    use axum::body::Bytes;
    use axum::routing::post;
    use onramp_webhooks_axum::{Webhook, allow_list, idempotency as once, routes};

    let bare = || post(async |_: Bytes| RECEIVED);
    let app = match component {
        Component::Bare => Router::new().route(PATH, bare()),
        Component::Extractor => Router::new().route(PATH, post(async |_: Webhook<Wert>| RECEIVED)),
        Component::AllowList => Router::new().route(PATH, bare().layer(allow_list(&gate()))),
        Component::Idempotency => Router::new().route(PATH, bare().layer(once(&idempotency()?))),
        Component::Durable => routes(receiver(folder).await?),
    };
    let listener = tokio::net::TcpListener::from_std(listener)?;
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await.context("serve")
}

async fn actix(listener: TcpListener, component: Component, folder: &Path) -> anyhow::Result<()> {
    use actix_web::web::{self, Bytes, ServiceConfig};
    use actix_web::{App, HttpServer};
    use onramp_webhooks_actix::{Webhook, allow_list, idempotency as once, routes};

    let (gate, idempotency) = (gate(), idempotency()?);
    let receiver = match component {
        Component::Durable => Some(receiver(folder).await?),
        _ => None,
    };
    let configure = move |app: &mut ServiceConfig| {
        let bare = || web::post().to(async |_: Bytes| RECEIVED);
        match component {
            Component::Bare => app.route(PATH, bare()),
            Component::Extractor => app.route(PATH, web::post().to(async |_: Webhook<Wert>| RECEIVED)),
            Component::AllowList => app.route(PATH, bare().wrap(allow_list(&gate))),
            Component::Idempotency => app.route(PATH, bare().wrap(once(&idempotency))),
            Component::Durable => receiver.iter().fold(app, |app, receiver| app.service(routes(receiver.clone()))),
        };
    };
    HttpServer::new(move || App::new().configure(configure.clone())).listen(listener)?.run().await.context("serve")
}

async fn warp(listener: TcpListener, component: Component, folder: &Path) -> anyhow::Result<()> {
    use bytes::Bytes;
    use onramp_webhooks_warp::{Webhook, allow_list, idempotency as once, routes};
    use warp::{Filter, Reply};

    let path = warp::path("wert").and(warp::path(SECRET));
    let bare = warp::path::end().and(warp::post()).and(warp::body::bytes()).map(|_: Bytes| RECEIVED);
    let app = match component {
        Component::Bare => path.and(bare).map(Reply::into_response).boxed(),
        Component::Extractor => {
            let event = warp::path::end().and(warp::post()).and(Webhook::<Wert>::filter());
            path.and(event.map(|event: Result<_, _>| event.map(|_| RECEIVED))).map(Reply::into_response).boxed()
        }
        Component::AllowList => allow_list(&gate(), path, bare),
        Component::Idempotency => once(&idempotency()?, path, bare),
        Component::Durable => routes(receiver(folder).await?).map(Reply::into_response).boxed(),
    };
    ::warp::serve(app).incoming(tokio::net::TcpListener::from_std(listener)?).run().await;
    Ok(())
}
