//! Run with `cargo run -p warp-shop`.

use std::convert::identity;
use std::process::ExitCode;
use std::str::{FromStr, Utf8Error};

use percent_encoding::percent_decode_str;
use shop::{LARGEST_REQUEST, Shop};
use warp::http::{self, Response};
use warp::hyper::body::Bytes;
use warp::{Filter, Reply};

fn main() -> ExitCode {
    shop::run(serve)
}

async fn serve(shop: Shop) -> std::io::Result<()> {
    let webhooks = warp::path("webhooks").and(onramp_webhooks_warp::routes(shop.receiver()));
    let of_shop = shop.clone();
    let buy = warp::path!("buy")
        .and(warp::post())
        .and(warp::body::content_length_limit(LARGEST_REQUEST as u64))
        .and(warp::body::bytes())
        .map(move |body| (of_shop.clone(), body))
        .then(buy);
    let of_get = shop.clone();
    let get = warp::get().or(warp::head()).unify().map(move || of_get.clone());
    let points = warp::path!("points" / Customer).and(get.clone()).then(points);
    let health = warp::path!("healthz").and(get).then(health);
    let app = warp::service(webhooks.or(points).or(buy).or(health));
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

async fn buy((shop, body): (Shop, Bytes)) -> impl Reply {
    respond(shop.buy(&body).await)
}

async fn health(shop: Shop) -> impl Reply {
    respond(shop.health().await)
}

fn respond(response: shop::Response) -> http::Result<Response<String>> {
    Response::builder().status(response.status).header("content-type", response.content_type).body(response.body)
}
