//! Run with `cargo run -p warp-shop`.

use std::convert::identity;
use std::process::ExitCode;
use std::str::{FromStr, Utf8Error};

use futures_util::{Stream, TryStreamExt};
use percent_encoding::percent_decode_str;
use shop::{LARGEST_REQUEST, Shop, in_time};
use warp::http::{self, Method, Response, StatusCode};
use warp::{Buf, Filter, Rejection, Reply};

fn main() -> ExitCode {
    shop::run(serve)
}

async fn serve(shop: Shop) -> std::io::Result<()> {
    let webhooks = warp::path("webhooks").and(onramp_webhooks_warp::routes(shop.receiver()));
    let of_shop = shop.clone();
    let buy = warp::path!("buy")
        .and(warp::post())
        .and(warp::body::content_length_limit(LARGEST_REQUEST as u64))
        .and(warp::body::stream())
        .then(move |body| buy(of_shop.clone(), body));
    let of_get = shop.clone();
    let get = warp::get().or(warp::head()).unify().map(move || of_get.clone());
    let points = warp::path!("points" / Customer).and(get.clone()).then(points);
    let health = warp::path!("healthz").and(get).then(health);
    let other_methods = (warp::path!("points" / Customer).map(drop).untuple_one())
        .or(warp::path!("healthz"))
        .unify()
        .and(refuse_except("GET, HEAD"))
        .or(warp::path!("buy").and(refuse_except("POST")));
    let app = warp::service(webhooks.or(points).or(buy).or(health).or(other_methods));
    shop.server()?.serve(app, identity, shop.stopped()).await;
    Ok(())
}

/// A customer in the path. Warp does not percent-decode path segments.
struct Customer(String);

impl FromStr for Customer {
    type Err = Utf8Error;

    fn from_str(segment: &str) -> Result<Self, Utf8Error> {
        Ok(Self(percent_decode_str(segment).decode_utf8()?.into_owned()))
    }
}

async fn points(Customer(customer): Customer, shop: Shop) -> impl Reply {
    respond(shop.points(customer).await)
}

async fn buy(shop: Shop, body: impl Stream<Item = Result<impl Buf, warp::Error>>) -> impl Reply {
    let body = body.try_fold(Vec::new(), |mut read, mut part| async move {
        read.extend_from_slice(&part.copy_to_bytes(part.remaining()));
        Ok(read)
    });
    match in_time(body).await {
        Ok(Ok(body)) => respond(shop.buy(&body).await).into_response(),
        Ok(Err(_)) => StatusCode::BAD_REQUEST.into_response(),
        Err(late) => respond(late).into_response(),
    }
}

/// Refuses methods that are not allowed, which warp does without `allow`.
fn refuse_except(allowed: &'static str) -> impl Filter<Extract = (impl Reply,), Error = Rejection> + Clone {
    warp::method().and_then(move |method: Method| async move {
        match allowed.split(", ").any(|one| one == method) {
            true => Err(warp::reject()),
            false => Ok(warp::reply::with_header(StatusCode::METHOD_NOT_ALLOWED, "allow", allowed)),
        }
    })
}

async fn health(shop: Shop) -> impl Reply {
    respond(shop.health().await)
}

fn respond(response: shop::Response) -> http::Result<Response<String>> {
    Response::builder().status(response.status).header("content-type", response.content_type).body(response.body)
}
