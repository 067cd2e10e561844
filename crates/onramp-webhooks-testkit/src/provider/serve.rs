//! The fake provider's server.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::answer::{Content, Kind, Reply};
use super::seen::Seen;
use super::state::State;
use super::{Lie, kriptomat};

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// A running server, which ends with all connections when it is dropped.
pub(super) async fn serve(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        let service = service_fn(move |request| answer(Arc::clone(&state), request));
        connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
        while connections.try_join_next().is_some() {}
    }
}

/// The error that closes the connection.
async fn answer(state: Arc<State>, request: Request<Incoming>) -> Result<Response<Body>, io::Error> {
    let seen = read(request).await?;
    let answer = state.change(|script| script.arrived(seen.clone()));
    if let Some(delay) = answer.delay {
        tokio::time::sleep(delay).await;
    }
    let reply = match answer.kind {
        Kind::Truth => tell(&state, &seen, None),
        Kind::Lie(lie) => tell(&state, &seen, Some(lie)),
        Kind::Reply(reply) => reply,
        Kind::Close => return Err(io::ErrorKind::ConnectionAborted.into()),
        Kind::Never => std::future::pending().await,
    };
    response(reply)
}

fn tell(state: &State, seen: &Seen, lie: Option<Lie>) -> Reply {
    match (seen.method.as_str(), seen.path.as_str()) {
        ("GET", "/api/external/orders") => state.change(|script| script.wert.answer(seen, lie)),
        ("POST", "/widget/init") => kriptomat::init(seen),
        _ => Reply::json(404, &serde_json::json!({ "message": "no such route" })),
    }
}

async fn read(request: Request<Incoming>) -> Result<Seen, io::Error> {
    let (head, body) = request.into_parts();
    let text = |value: &hyper::header::HeaderValue| value.to_str().ok().map(ToOwned::to_owned);
    let headers = head.headers.iter().filter_map(|(name, value)| Some((name.as_str().to_owned(), text(value)?))).collect();
    let query = form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    Ok(Seen { method: head.method.to_string(), path: head.uri.path().to_owned(), query, headers, body })
}

fn response(reply: Reply) -> Result<Response<Body>, io::Error> {
    let headers = reply
        .headers
        .iter()
        .fold(Response::builder().status(reply.status), |response, (name, value)| response.header(name.as_str(), value.as_str()));
    headers.body(body(reply.body)).map_err(io::Error::other)
}

fn body(content: Content) -> Body {
    let frame = |bytes: Bytes| Ok(Frame::data(bytes));
    match content {
        Content::Whole(bytes) => Full::new(bytes).map_err(|never: Infallible| match never {}).boxed_unsync(),
        Content::CutOff(bytes) => {
            let broken = stream::iter([frame(bytes), Err(io::ErrorKind::ConnectionAborted.into())]);
            StreamBody::new(broken).boxed_unsync()
        }
        Content::Endless(bytes) => StreamBody::new(stream::repeat(bytes).map(frame)).boxed_unsync(),
    }
}
