//! Keys: which requests are the same.

use std::sync::Arc;

use bytes::Bytes;
use onramp_webhooks::adapter::Request;
use onramp_webhooks::idempotency::{Idempotency, MemoryIdempotencyStore, Scope};
use onramp_webhooks::{Kriptomat, Wert};
use onramp_webhooks_testkit::doubles::Double;
use onramp_webhooks_testkit::events::{self, WertOrder};

use super::faulty::Faulty;
use super::harness::{Harness, Outcome, keyed};

const NONE: [(&str, &str); 0] = [];

/// Returns how often the route runs for these requests.
async fn runs<'a>(harness: &Harness, requests: impl IntoIterator<Item = Request<'a>>) -> u32 {
    let before = harness.runs();
    for request in requests {
        assert_eq!(harness.send(&request, "{}").await.status, 201, "{request:?}");
    }
    harness.runs() - before
}

#[tokio::test]
async fn methods_that_change_nothing_pass_untouched() {
    let harness = Harness::by_header();
    let lines = keyed("a");
    for method in ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"] {
        assert_eq!(runs(&harness, [Request::new(method, "/", None, &lines), Request::new(method, "/", None, &NONE)]).await, 2);
    }
    assert_eq!(runs(&harness, [Request::new("PATCH", "/", None, &lines), Request::new("PATCH", "/", None, &lines)]).await, 1);
    let events = Harness::by_event();
    assert_eq!(runs(&events, [Request::new("PATCH", "/", None, &lines), Request::new("PATCH", "/", None, &lines)]).await, 2);
}

#[tokio::test]
async fn a_key_is_needed_unless_it_is_optional() {
    let harness = Harness::by_header();
    let without = || Request::new("POST", "/", None, &NONE);
    let twice = [("idempotency-key", "a"), ("idempotency-key", "a")];
    let empty = [("idempotency-key", " ")];
    assert_eq!(harness.send(&without(), "{}").await.status, 400);
    assert_eq!(harness.send(&Request::new("POST", "/", None, &twice), "{}").await.status, 400);
    assert_eq!(harness.send(&Request::new("POST", "/", None, &empty), "{}").await.status, 400);
    assert_eq!(harness.runs(), 0);
    let optional = Harness::new(Idempotency::by_header(MemoryIdempotencyStore::new(), Scope::authorization()).optional());
    assert_eq!(runs(&optional, [without(), without()]).await, 2);
    assert_eq!(optional.send(&Request::new("POST", "/", None, &empty), "{}").await.status, 400, "a bad key is not none");
    assert_eq!(optional.post("a", "{}").await, Outcome::first(3));
    assert_eq!(optional.post("a", "{}").await, Outcome::replay(3));
}

#[tokio::test]
async fn a_key_in_quotes_is_the_same_without() {
    let harness = Harness::by_header();
    assert_eq!(harness.post("\"a\"", "{}").await, Outcome::first(1));
    assert_eq!(harness.post("a", "{}").await, Outcome::replay(1));
    assert_eq!(harness.post("\"a\"; v=1;b", "{}").await, Outcome::replay(1), "parameters have no meaning");
    assert_eq!(harness.post("A", "{}").await, Outcome::first(2));
}

#[tokio::test]
async fn two_routes_never_share_a_key() {
    let harness = Harness::by_header();
    let lines = keyed("a");
    let request = |method, path| Request::new(method, path, None, &lines);
    let requests =
        [request("POST", "/orders"), request("PATCH", "/orders"), request("POST", "/refunds"), request("POST", "/orders/")];
    assert_eq!(runs(&harness, requests).await, 4);
    assert_eq!(runs(&harness, requests).await, 0);
    let event = r#"{"type":"login","click_id":"1"}"#;
    let events = Harness::by_event();
    for path in ["/one", "/two"] {
        events.send(&Request::new("POST", path, None, &NONE), event).await;
    }
    assert_eq!(events.runs(), 2);
}

#[tokio::test]
async fn another_query_is_other_content() {
    let harness = Harness::by_header();
    let lines = keyed("a");
    let request = |query| Request::new("POST", "/orders", None, &lines).with_query(query);
    assert_eq!(harness.send(&request(Some("dry=1")), "{}").await.status, 201);
    assert_eq!(harness.send(&request(Some("dry=1")), "{}").await, Outcome::replay(1));
    assert_eq!(harness.send(&request(None), "{}").await.status, 422);
    assert_eq!(harness.send(&request(Some("")), "{}").await.status, 422);
}

#[tokio::test]
async fn an_empty_query_is_none() {
    let harness = Harness::by_header();
    let lines = keyed("a");
    let request = |query| Request::new("POST", "/orders", None, &lines).with_query(query);
    assert_eq!(harness.send(&request(None), "{}").await, Outcome::first(1));
    assert_eq!(harness.send(&request(Some("")), "{}").await, Outcome::replay(1));
}

#[tokio::test]
async fn two_providers_never_share_a_key() {
    let store = Arc::new(MemoryIdempotencyStore::new());
    let shared = || Double(Faulty::over(Arc::clone(&store)));
    let builders = [Idempotency::by_event::<Wert>(shared()), Idempotency::by_event::<Kriptomat>(shared())];
    let request = Request::new("POST", "/", None, &NONE);
    for builder in builders {
        assert_eq!(Harness::new(builder.route("events")).send(&request, "unreadable").await, Outcome::first(1));
    }
}

#[tokio::test]
async fn a_route_with_a_name_keeps_its_keys_when_its_path_changes() {
    let event = r#"{"type":"login","click_id":"1"}"#;
    let named = |name: &str| Idempotency::by_event::<Wert>(MemoryIdempotencyStore::new()).route(name);
    let harness = Harness::new(named("wert"));
    assert_eq!(harness.send(&Request::new("POST", "/wert/old", None, &NONE), event).await, Outcome::first(1));
    assert_eq!(harness.send(&Request::new("POST", "/wert/new", None, &NONE), event).await, Outcome::replay(1));
}

#[tokio::test]
async fn two_users_never_share_a_key() {
    let harness = Harness::by_header();
    let user = |authorization| [("idempotency-key", "a"), ("authorization", authorization)];
    let (ada, bob) = (user("Bearer ada"), user("Bearer bob"));
    let nobody = [("idempotency-key", "a")];
    let all = || {
        [Request::new("POST", "/", None, &ada), Request::new("POST", "/", None, &bob), Request::new("POST", "/", None, &nobody)]
    };
    assert_eq!(runs(&harness, all()).await, 3);
    assert_eq!(runs(&harness, all()).await, 0);
    let line = |value| ("authorization", value);
    let twice = [("idempotency-key", "a"), line("Bearer ada"), line("Bearer bob")];
    let joined = [("idempotency-key", "a"), line("Bearer adaBearer bob")];
    let requests = || [Request::new("POST", "/", None, &twice), Request::new("POST", "/", None, &joined)];
    assert_eq!((runs(&harness, requests()).await, runs(&harness, requests()).await), (2, 0), "every line counts");
}

#[tokio::test]
async fn users_are_told_apart_as_the_application_says() {
    let on = |scope| Harness::new(Idempotency::by_header(MemoryIdempotencyStore::new(), scope));
    let with = |token, cookie| [("idempotency-key", "a"), ("authorization", token), ("cookie", cookie)];
    let (first, renewed, other) = (
        with("Bearer 1", "theme=dark; session=ada"),
        with("Bearer 2", "session=ada;theme=light"),
        with("Bearer 2", "xsession=ada; session=bob"),
    );
    let nobody = [("idempotency-key", "a"), ("authorization", "Bearer 2"), ("x", "")];
    let requests = || [&first, &renewed, &other, &nobody].map(|lines| Request::new("POST", "/", None, lines));
    let session = |request: &Request<'_>| {
        let cookie = request.headers.lines("cookie").next()?;
        Some(if cookie.ends_with(b"bob") { "bob".to_owned() } else { "ada".to_owned() })
    };
    for (scope, users) in [
        (Scope::cookie("session"), 3),
        (Scope::user(session), 3),
        (Scope::authorization(), 2),
        (Scope::header("Authorization"), 2),
        (Scope::header("x-api-key"), 1),
        (Scope::cookie("theme"), 3),
        (Scope::everyone(), 1),
    ] {
        let name = format!("{scope:?}");
        assert_eq!(runs(&on(scope), requests()).await, users, "{name}");
    }
    let empty = [("idempotency-key", "a"), ("cookie", "session="), ("x", "")];
    let harness = on(Scope::cookie("session"));
    let requests = [&empty, &nobody].map(|lines| Request::new("POST", "/", None, lines));
    assert_eq!(runs(&harness, requests).await, 2, "an empty name is not nobody");
}

/// Events have the same identity as in an inbox.
#[tokio::test]
async fn events_are_the_same_by_their_own_keys() {
    let order = WertOrder::new();
    let (complete, started) = (order.complete(), order.payment_started());
    let (other, anew) = (WertOrder::new().complete(), order.crypto("0.5", "ETH").payment_started());
    let (test, open, bracket) = (events::wert_test(), Bytes::from_static(b"{"), Bytes::from_static(b"["));
    let harness = Harness::by_event();
    let request = Request::new("POST", "/wert", None, &NONE);
    for (body, ran) in [
        (&complete, true),
        (&started, true),
        (&other, true),
        (&anew, true),
        (&test, true),
        (&test, true),
        (&open, true),
        (&open, false),
        (&bracket, true),
        (&complete, false),
        (&started, false),
        (&other, false),
        (&anew, false),
    ] {
        let before = harness.runs();
        assert_eq!(harness.send(&request, body.clone()).await.status, 201);
        assert_eq!(harness.runs() - before, u32::from(ran), "{body:?}");
    }
}

#[tokio::test]
async fn events_without_an_id_are_the_same_for_as_long_as_wert_retries() {
    use std::time::Duration;
    let harness = Harness::by_event();
    let request = Request::new("POST", "/wert", None, &NONE);
    let (login, complete) = (r#"{"type":"login","click_id":"1"}"#, WertOrder::new().complete());
    assert_eq!(
        (harness.send(&request, login).await, harness.send(&request, complete.clone()).await),
        (Outcome::first(1), Outcome::first(2))
    );
    harness.clock.advance(Duration::from_secs(16 * 3_600 - 1));
    assert_eq!(harness.send(&request, login).await, Outcome::replay(1));
    harness.clock.advance(Duration::from_secs(1));
    assert_eq!(harness.send(&request, login).await, Outcome::first(3));
    harness.clock.advance(Duration::from_secs(13 * 24 * 3_600));
    assert_eq!(harness.send(&request, complete).await, Outcome::replay(2));
}
