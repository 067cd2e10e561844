//! Adapters with one defect each, and the case of the conformance suite that detects it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::future::ready;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, OriginalUri, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn, map_request, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use onramp_webhooks_axum::core::client_ip::ClientIp;
use onramp_webhooks_axum::core::gate::AllowListGate;
use onramp_webhooks_suite::serve::axum::{self as right, app};
use onramp_webhooks_testkit::adapter::{Case, Listener, Setup, Site, cases};

/// Serves the correct application after `broken` has added a defect to it.
#[tokio::main]
async fn serve(site: Site, broken: fn(&Site, Router) -> Router) {
    let app = broken(&site, app(&site));
    let Listener::Tcp(listener) = site.listener() else { panic!("these mutants are about TCP") };
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, app).with_graceful_shutdown(site.stopped()).await.unwrap();
}

/// Applies `change` to requests before they are routed.
fn changing(app: Router, change: impl Fn(&mut Request) + Clone + Send + Sync + 'static) -> Router {
    Router::new().fallback_service(app).layer(map_request(move |mut request| {
        change(&mut request);
        ready(request)
    }))
}

/// Applies `change` to responses.
fn changing_responses(app: Router, change: impl Fn(&mut Response) + Clone + Send + Sync + 'static) -> Router {
    Router::new().fallback_service(app).layer(map_response(move |mut response| {
        change(&mut response);
        ready(response)
    }))
}

/// Replaces the URI of requests by a path without a query.
fn changing_the_path(app: Router, change: fn(&str) -> String) -> Router {
    changing(app, move |request| {
        *request.uri_mut() = change(request.uri().path()).parse().unwrap();
        // The outer router has already stored the original URI.
        request.extensions_mut().remove::<OriginalUri>();
    })
}

fn removing_a_header(app: Router, name: &'static str) -> Router {
    changing_responses(app, move |response| drop(response.headers_mut().remove(name)))
}

fn knows_no_peers(_: &Site, app: Router) -> Router {
    changing(app, |request| {
        request.extensions_mut().remove::<ConnectInfo<SocketAddr>>();
    })
}

/// Behaves like a framework that derives the client's "real" address.
fn believes_the_leftmost(_: &Site, app: Router) -> Router {
    changing(app, |request| {
        let first = |line: &str| line.split(',').next().and_then(|entry| entry.trim().parse().ok());
        let named = request.headers().get("x-forwarded-for").and_then(|line| line.to_str().ok()).and_then(first);
        if let Some(address) = named {
            request.extensions_mut().insert(ConnectInfo(SocketAddr::new(address, 0)));
        }
    })
}

fn sees_one_line_of_a_header(_: &Site, app: Router) -> Router {
    changing(app, |request| {
        let first: HeaderMap =
            request.headers().keys().filter_map(|name| Some((name.clone(), request.headers().get(name)?.clone()))).collect();
        *request.headers_mut() = first;
    })
}

fn decodes_the_path(_: &Site, app: Router) -> Router {
    changing_the_path(app, |path| path.replace("%25", "%"))
}

fn takes_slashes_off(_: &Site, app: Router) -> Router {
    changing_the_path(app, |path| path.trim_end_matches('/').to_owned())
}

fn forgets_a_header(_: &Site, app: Router) -> Router {
    removing_a_header(app, "allow")
}

fn answers_problems_as_text(_: &Site, app: Router) -> Router {
    changing_responses(app, |response| {
        if response.status() == StatusCode::NOT_FOUND {
            response.headers_mut().insert("content-type", "text/plain".parse().unwrap());
        }
    })
}

fn routes_posts_only(_: &Site, app: Router) -> Router {
    Router::new().fallback_service(app).layer(from_fn(async |request: Request, next: Next| {
        let is_for_the_receiver = request.uri().path().starts_with("/webhooks");
        if is_for_the_receiver && request.method() != "POST" {
            return StatusCode::METHOD_NOT_ALLOWED.into_response();
        }
        next.run(request).await
    }))
}

/// Behaves like actix by default, but with a smaller limit.
fn has_a_limit_of_its_own(_: &Site, app: Router) -> Router {
    Router::new().fallback_service(app).layer(from_fn(async |request: Request, next: Next| {
        let (parts, body) = request.into_parts();
        match to_bytes(body, 32 << 10).await {
            Ok(body) => next.run(Request::from_parts(parts, Body::from(body))).await,
            Err(_) => StatusCode::PAYLOAD_TOO_LARGE.into_response(),
        }
    }))
}

fn changes_the_body(_: &Site, app: Router) -> Router {
    Router::new().fallback_service(app).layer(from_fn(async |request: Request, next: Next| {
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
        next.run(Request::from_parts(parts, Body::from(String::from_utf8_lossy(&body).into_owned()))).await
    }))
}

fn answers_everything(site: &Site, _: Router) -> Router {
    app(site).fallback(any(async || StatusCode::NO_CONTENT))
}

/// Routes after the receiver are never reached.
fn swallows_other_routes(site: &Site, app: Router) -> Router {
    let receiver = site.receiver();
    Router::new().nest("/webhooks", onramp_webhooks_axum::routes(receiver)).fallback_service(app).layer(from_fn(
        async |request: Request, next: Next| match request.uri().path() {
            "/elsewhere" => StatusCode::NOT_FOUND.into_response(),
            _ => next.run(request).await,
        },
    ))
}

fn retries_a_panic_away(_: &Site, app: Router) -> Router {
    Router::new().fallback_service(app).layer(from_fn(async |request: Request, next: Next| {
        match tokio::spawn(next.run(request)).await {
            Ok(response) => response,
            Err(_) => StatusCode::OK.into_response(),
        }
    }))
}

/// The handler continues after its client has disconnected.
fn detaches_what_runs(_: &Site, app: Router) -> Router {
    Router::new().fallback_service(app).layer(from_fn(async |request: Request, next: Next| {
        tokio::spawn(next.run(request)).await.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
    }))
}

/// Behaves like middleware that uses the path without the prefix that its router has stripped.
fn forgets_the_prefix(_: &Site, app: Router) -> Router {
    changing_the_path(app, |path| path.replace("/again/", "/once/"))
}

fn forgets_who_is_asking(_: &Site, app: Router) -> Router {
    changing(app, |request| {
        request.headers_mut().remove("authorization");
    })
}

/// Replaces the URI by its path without the query.
fn forgets_the_query(_: &Site, app: Router) -> Router {
    changing_the_path(app, str::to_owned)
}

fn replays_cookies(_: &Site, app: Router) -> Router {
    changing_responses(app, |response| {
        if response.headers().contains_key("idempotent-replayed") {
            response.headers_mut().insert("set-cookie", "session=ada".parse().unwrap());
        }
    })
}

fn loses_cookies(_: &Site, app: Router) -> Router {
    removing_a_header(app, "set-cookie")
}

fn hides_that_it_replays(_: &Site, app: Router) -> Router {
    removing_a_header(app, "idempotent-replayed")
}

/// Every request gets a new key, as if no reply were ever stored.
fn keeps_nothing(_: &Site, app: Router) -> Router {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    changing(app, |request| {
        if request.headers().contains_key("idempotency-key") {
            let key = NEXT.fetch_add(1, Ordering::Relaxed).to_string();
            request.headers_mut().insert("idempotency-key", key.parse().unwrap());
        }
    })
}

fn cuts_large_replies(_: &Site, app: Router) -> Router {
    Router::new().fallback_service(app).layer(from_fn(async |request: Request, next: Next| {
        let (parts, body) = next.run(request).await.into_parts();
        let mut body = to_bytes(body, usize::MAX).await.unwrap_or_default();
        body.truncate(64 << 10);
        let mut parts = parts;
        parts.headers.remove("content-length");
        Response::from_parts(parts, Body::from(body))
    }))
}

/// The layer keeps the rules from the time of its creation.
fn copies_the_rules(site: &Site, _: Router) -> Router {
    let guarded = any(async |State(site): State<Site>| site.guarded());
    let frozen = AllowListGate::new("127.0.0.1".parse().unwrap(), ClientIp::peer_only());
    let guarded = Router::new().route("/guarded", guarded.layer(onramp_webhooks_axum::allow_list(&frozen)));
    guarded.with_state(site.clone()).fallback_service(app(site))
}

fn refuses_what_it_cannot_read(_: &Site, app: Router) -> Router {
    Router::new().fallback_service(app).layer(from_fn(async |request: Request, next: Next| {
        let (parts, body) = request.into_parts();
        let body: Bytes = to_bytes(body, 2 << 20).await.unwrap_or_default();
        if parts.uri.path() == "/inline/wert" && !body.starts_with(b"{\"") {
            return StatusCode::BAD_REQUEST.into_response();
        }
        next.run(Request::from_parts(parts, Body::from(body))).await
    }))
}

fn has_no_deadline(_: &Site, app: Router) -> Router {
    Router::new().fallback_service(app).layer(from_fn(async |request: Request, next: Next| {
        let (parts, body) = request.into_parts();
        match tokio::time::timeout(Duration::from_secs(10), to_bytes(body, usize::MAX)).await {
            Ok(body) => next.run(Request::from_parts(parts, Body::from(body.unwrap_or_default()))).await,
            Err(_) => "too late".into_response(),
        }
    }))
}

fn case(name: &str) -> Case {
    cases().find(|case| case.name() == name).unwrap_or_else(|| panic!("there is no case {name}"))
}

/// Returns whether an adapter passes a case.
fn passes(case: Case, serve: fn(Site)) -> bool {
    let run = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(case.run(&Setup::in_memory(serve)));
    });
    run.join().is_ok()
}

macro_rules! mutants {
    ($($defect:ident => $case:literal,)+) => {
        mod notices {
            $(
                #[test]
                fn $defect() {
                    assert!(super::passes(super::case($case), super::right::serve), "{} fails without a defect", $case);
                    let broken = super::passes(super::case($case), |site| super::serve(site, super::$defect));
                    assert!(!broken, "{} does not detect {}", $case, stringify!($defect));
                }
            )+
        }
    };
}

mutants! {
    knows_no_peers => "allowing::who_is_on_the_list_is_let_in",
    believes_the_leftmost => "client_address::a_forged_header_is_not_believed",
    sees_one_line_of_a_header => "client_address::several_lines_are_one_list",
    decodes_the_path => "http::a_secret_is_found_however_it_is_encoded",
    takes_slashes_off => "http::a_slash_at_the_end_changes_nothing",
    forgets_a_header => "door::other_methods_are_told_to_post",
    answers_problems_as_text => "door::a_wrong_secret_finds_nothing",
    routes_posts_only => "door::other_methods_are_told_to_post",
    has_a_limit_of_its_own => "door::a_body_at_the_limit_is_read",
    changes_the_body => "door::noise_is_acknowledged_to_wert_and_refused_to_kriptomat",
    has_no_deadline => "http::a_body_slower_than_the_deadline_is_told_so",
    answers_everything => "door::other_routes_are_left_alone",
    swallows_other_routes => "door::other_routes_are_left_alone",
    retries_a_panic_away => "extracting::a_panic_in_the_handler_acknowledges_nothing",
    detaches_what_runs => "idempotency::a_client_that_goes_away_releases_the_key",
    forgets_the_prefix => "idempotency::routes_never_share_a_key",
    forgets_who_is_asking => "idempotency::users_never_share_a_key",
    forgets_the_query => "idempotency::other_content_under_a_used_key_is_refused",
    replays_cookies => "idempotency::a_replay_sets_no_cookie",
    loses_cookies => "idempotency::a_replay_sets_no_cookie",
    hides_that_it_replays => "idempotency::a_success_is_replayed",
    keeps_nothing => "idempotency::a_hundred_copies_at_once_run_once",
    cuts_large_replies => "idempotency::a_reply_too_large_to_keep_is_not_replayed",
    copies_the_rules => "allowing::a_list_is_replaced_while_requests_come_in",
    refuses_what_it_cannot_read => "extracting::what_wert_sends_is_never_refused",
}

/// Aborts open requests when it has to stop.
#[tokio::main]
async fn serve_and_end_at_once(site: Site) {
    let app = app(&site);
    let Listener::Tcp(listener) = site.listener() else { panic!("this mutant is about TCP") };
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    tokio::select! {
        served = axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()) => served.unwrap(),
        () = site.stopped() => {}
    }
}

#[test]
fn a_server_that_ends_at_once_is_noticed() {
    assert!(!passes(case("stopping::a_request_in_flight_is_finished"), serve_and_end_at_once));
}
