//! The same servers in every framework.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;

use anyhow::Context;
use onramp_webhooks::allow_list::AllowList;
use onramp_webhooks::client_ip::ClientIp;
use onramp_webhooks::gate::AllowListGate;
use onramp_webhooks::idempotency::{Idempotency, MemoryIdempotencyStore};
use onramp_webhooks::{Receiver, Wert};
use onramp_webhooks_sqlite::SqliteInbox;

use super::{Framework, What};
use crate::server::{PATH, RECEIVED, SECRET};

/// Serves until the process is ended; prints the address first.
pub(crate) fn serve(framework: Framework, what: What) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    listener.set_nonblocking(true)?;
    println!("{}", listener.local_addr()?);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match framework {
            Framework::Axum => axum(listener, what, folder.path()).await,
            Framework::Actix => actix(listener, what, folder.path()).await,
            Framework::Warp => warp(listener, what, folder.path()).await,
        }
    })
}

/// Lets the load generator in.
fn gate() -> AllowListGate {
    AllowListGate::new(AllowList::new([std::net::IpAddr::from(Ipv4Addr::LOCALHOST)]), ClientIp::peer_only())
}

fn idempotency() -> anyhow::Result<Idempotency> {
    Ok(Idempotency::by_header(MemoryIdempotencyStore::new()).build()?)
}

async fn receiver(folder: &Path) -> anyhow::Result<Receiver> {
    let inbox = SqliteInbox::open(folder.join("inbox.db")).await?;
    Ok(Receiver::builder(inbox).endpoint(Wert::with_path_secret(SECRET)).build()?)
}

async fn axum(listener: TcpListener, what: What, folder: &Path) -> anyhow::Result<()> {
    use axum::Router;
    use axum::body::Bytes;
    use axum::routing::post;
    use onramp_webhooks_axum::{WertEvent, allow_list, idempotency as once, routes};

    let bare = || post(async |_: Bytes| RECEIVED);
    let app = match what {
        What::Bare => Router::new().route(PATH, bare()),
        What::Extractor => Router::new().route(PATH, post(async |_: WertEvent| RECEIVED)),
        What::AllowList => Router::new().route(PATH, bare().layer(allow_list(&gate()))),
        What::Idempotency => Router::new().route(PATH, bare().layer(once(&idempotency()?))),
        What::Durable => routes(receiver(folder).await?),
    };
    let listener = tokio::net::TcpListener::from_std(listener)?;
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await.context("serve")
}

async fn actix(listener: TcpListener, what: What, folder: &Path) -> anyhow::Result<()> {
    use actix_web::web::{self, Bytes, ServiceConfig};
    use actix_web::{App, HttpServer};
    use onramp_webhooks_actix::{WertEvent, allow_list, idempotency as once, routes};

    let (gate, idempotency) = (gate(), idempotency()?);
    let receiver = match what {
        What::Durable => Some(receiver(folder).await?),
        _ => None,
    };
    let configure = move |app: &mut ServiceConfig| {
        let bare = || web::post().to(async |_: Bytes| RECEIVED);
        match what {
            What::Bare => app.route(PATH, bare()),
            What::Extractor => app.route(PATH, web::post().to(async |_: WertEvent| RECEIVED)),
            What::AllowList => app.route(PATH, bare().wrap(allow_list(&gate))),
            What::Idempotency => app.route(PATH, bare().wrap(once(&idempotency))),
            What::Durable => receiver.iter().fold(app, |app, receiver| app.service(routes(receiver.clone()))),
        };
    };
    HttpServer::new(move || App::new().configure(configure.clone())).listen(listener)?.run().await.context("serve")
}

async fn warp(listener: TcpListener, what: What, folder: &Path) -> anyhow::Result<()> {
    use bytes::Bytes;
    use onramp_webhooks_warp::{WertEvent, allow_list, idempotency as once, routes};
    use warp::{Filter, Reply, wrap_fn};

    let path = warp::path("wert").and(warp::path(SECRET));
    let bare = warp::path::end().and(warp::post()).and(warp::body::bytes()).map(|_: Bytes| RECEIVED);
    let app = match what {
        What::Bare => path.and(bare).map(Reply::into_response).boxed(),
        What::Extractor => {
            let event = warp::path::end().and(warp::post()).and(WertEvent::filter());
            path.and(event.map(|event: Result<_, _>| event.map(|_| RECEIVED))).map(Reply::into_response).boxed()
        }
        What::AllowList => path.and(bare.with(wrap_fn(allow_list(&gate())))).boxed(),
        What::Idempotency => path.and(bare.with(wrap_fn(once(&idempotency()?)))).boxed(),
        What::Durable => routes(receiver(folder).await?).map(Reply::into_response).boxed(),
    };
    ::warp::serve(app).incoming(tokio::net::TcpListener::from_std(listener)?).run().await;
    Ok(())
}
