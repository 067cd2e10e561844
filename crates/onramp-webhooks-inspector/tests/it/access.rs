//! Access: tokens, sessions, a function of the application, and too many attempts.

use std::time::Duration;

use onramp_webhooks::inbox::MemoryInbox;
use onramp_webhooks_inspector::{Access, BuildError, Inspector};

use crate::tools::{Answer, COMPLETE, READER, TOKEN, Under, request};

const FROM_THE_PAGE: [(&str, &str); 3] =
    [("content-type", "application/json"), ("x-onramp-inspector", "1"), ("origin", "https://shop.example")];

async fn sign_in(under: &Under, token: &str) -> Answer {
    under.send(request("POST", "/login", &FROM_THE_PAGE, &format!(r#"{{"token":"{token}"}}"#))).await
}

fn cookie(answer: &Answer) -> String {
    answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned()
}

async fn status_with(under: &Under, cookie: &str) -> u16 {
    under.send(request("GET", "/api/overview", &[("cookie", cookie)], "")).await.status()
}

#[test]
fn an_inspector_without_a_decision_about_access_is_not_built() {
    let builder = || Inspector::builder(MemoryInbox::new());
    let error = |result: Result<Inspector, BuildError>| result.unwrap_err();
    assert_eq!(error(builder().build()), BuildError::NoAccess);
    assert_eq!(error(builder().read_only().build()), BuildError::NoAccess);
    for short in ["", "a", &TOKEN[..31]] {
        assert_eq!(error(builder().token(short).build()), BuildError::ShortToken);
        assert_eq!(error(builder().token(TOKEN).reader_token(short).build()), BuildError::ShortToken);
    }
    assert_eq!(error(builder().token(TOKEN).reader_token(TOKEN).build()), BuildError::SameTokens);
    assert_eq!(error(builder().token(TOKEN).open_on_loopback().build()), BuildError::SeveralWays);
    assert_eq!(error(builder().authorize(|_| Access::Denied).open_on_loopback().build()), BuildError::SeveralWays);
    assert_eq!(error(builder().authorize(|_| Access::Denied).reader_token(READER).build()), BuildError::SeveralWays);
    assert!(builder().token(&TOKEN[..32]).build().is_ok() && builder().reader_token(READER).build().is_ok());
}

#[tokio::test]
async fn no_route_with_data_is_open() {
    let under = Under::with_tokens();
    let id = under.record(COMPLETE).await;
    for path in ["/api/overview", "/api/deliveries", "/api/orders/wert/order/1", "/api/traffic", "/api/endpoints"] {
        under.send(request("GET", path, &[], "")).await.assert_problem(401);
    }
    for path in [format!("/api/deliveries/{id}"), format!("/api/deliveries/{id}/body"), "/api/deliveries/999".to_owned()] {
        under.send(request("GET", &path, &[], "")).await.assert_problem(401);
    }
    for action in ["reveal", "replay", "resolve", "reopen", "forget", "find"] {
        let path = format!("/api/deliveries/{id}/{action}");
        under.send(request("POST", &path, &FROM_THE_PAGE, "{}")).await.assert_problem(401);
    }
    let page = under.send(request("GET", "/", &[], "")).await;
    assert!(page.status() == 200 && !page.text().contains("Shop"), "the main page has no data");
}

#[tokio::test]
async fn a_session_lasts_for_twelve_hours_and_has_the_role_of_its_token() {
    let under = Under::with_tokens();
    for (token, operates) in [(TOKEN, true), (READER, false)] {
        let answer = sign_in(&under, token).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        let attributes = answer.header("set-cookie").unwrap();
        assert!(attributes.starts_with("__Host-") && attributes.contains("; HttpOnly; SameSite=Strict; Secure"), "{attributes}");
        let cookie = cookie(&answer);
        let overview = under.send(request("GET", "/api/overview", &[("cookie", &format!("a=b; {cookie}; c"))], "")).await;
        assert_eq!(overview.json()["caller"]["operates"], operates);
    }
    let cookie = cookie(&sign_in(&under, TOKEN).await);
    under.clock.advance(Duration::from_secs(12 * 3_600) - Duration::from_millis(1));
    assert_eq!(status_with(&under, &cookie).await, 200);
    under.clock.advance(Duration::from_millis(1));
    assert_eq!(status_with(&under, &cookie).await, 401);
}

#[tokio::test]
async fn a_new_token_ends_all_sessions() {
    let cookie = cookie(&sign_in(&Under::with_tokens(), TOKEN).await);
    let renewed = Under::new(|builder| builder.token(format!("{TOKEN}!")).reader_token(READER));
    assert_eq!(status_with(&renewed, &cookie).await, 401);
    assert_eq!(status_with(&renewed, &cookie.replace("operator.", "reader.")).await, 401);
}

#[tokio::test]
async fn on_plain_http_a_cookie_is_not_marked_as_secure() {
    let under = Under::with_tokens();
    let headers = [FROM_THE_PAGE[0], FROM_THE_PAGE[1], ("origin", "http://shop.example")];
    let answer = under.send(request("POST", "/login", &headers, &format!(r#"{{"token":"{TOKEN}"}}"#))).await;
    assert!(!answer.header("set-cookie").unwrap().contains("Secure"));
    assert_eq!(status_with(&under, &cookie(&answer)).await, 200);
}

#[tokio::test]
async fn after_ten_wrong_tokens_all_wrong_ones_have_to_wait_a_minute() {
    let under = Under::with_tokens();
    for wrong in ["", "x", &TOKEN[1..], &format!("{TOKEN}x"), READER.to_uppercase().as_str()] {
        sign_in(&under, wrong).await.assert_problem(401);
        under.get(wrong, "/api/overview").await.assert_problem(401);
    }
    let (typed, sent) = (sign_in(&under, "x").await, under.get("x", "/api/overview").await);
    for answer in [typed, sent] {
        answer.assert_problem(429);
        assert_eq!((answer.header("retry-after"), answer.header("set-cookie")), (Some("60"), None));
    }
    under.clock.advance(Duration::from_secs(60));
    sign_in(&under, "x").await.assert_problem(401);
}

/// Behind a proxy, all have its address.
#[tokio::test]
async fn the_wrong_tokens_of_others_lock_nobody_out() {
    let under = Under::with_tokens();
    for _ in 0..30 {
        sign_in(&under, "x").await;
    }
    for token in [TOKEN, READER] {
        let answer = sign_in(&under, token).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        assert_eq!(status_with(&under, &cookie(&answer)).await, 200);
        assert_eq!(under.get(token, "/api/overview").await.status(), 200);
    }
    sign_in(&under, "x").await.assert_problem(429);
}

#[tokio::test]
async fn other_schemes_and_repeated_headers_are_no_token() {
    let under = Under::with_tokens();
    for value in [format!("Basic {TOKEN}"), TOKEN.to_owned(), format!("Bearer{TOKEN}"), "Bearer".to_owned()] {
        under.send(request("GET", "/api/overview", &[("authorization", &value)], "")).await.assert_problem(401);
    }
    let bearer = format!("Bearer {TOKEN}");
    let twice = [("authorization", bearer.as_str()), ("authorization", bearer.as_str())];
    under.send(request("GET", "/api/overview", &twice, "")).await.assert_problem(401);
    assert_eq!(under.send(request("GET", "/api/overview", &twice[..1], "")).await.status(), 200);
}

/// A proxy in front may have a login of its own.
#[tokio::test]
async fn the_login_of_a_proxy_does_not_hide_a_session_and_is_no_wrong_token() {
    let under = Under::with_tokens();
    let cookie = cookie(&sign_in(&under, TOKEN).await);
    for _ in 0..20 {
        for scheme in ["Basic YWRhOmFkYQ==", "Negotiate abc", "basic"] {
            let headers = [("authorization", scheme), ("cookie", cookie.as_str())];
            assert_eq!(under.send(request("GET", "/api/overview", &headers, "")).await.status(), 200, "{scheme}");
        }
    }
    let wrong = [("authorization", "BEARER wrong"), ("cookie", cookie.as_str())];
    under.send(request("GET", "/api/overview", &wrong, "")).await.assert_problem(401);
}

/// Browsers send a cookie to every port of its host.
#[tokio::test]
async fn inspectors_on_one_host_do_not_end_the_sessions_of_each_other() {
    let (one, other) = (Under::with_tokens(), Under::new(|builder| builder.token(format!("{TOKEN}!"))));
    let cookies = [cookie(&sign_in(&one, TOKEN).await), cookie(&sign_in(&other, &format!("{TOKEN}!")).await)];
    let names = cookies.each_ref().map(|cookie| cookie.split('=').next().unwrap());
    assert_ne!(names[0], names[1]);
    for under in [&one, &other] {
        assert_eq!(status_with(under, &cookies.join("; ")).await, 200);
    }
    let out = one.send(request("POST", "/logout", &FROM_THE_PAGE, "{}")).await;
    assert!(out.header("set-cookie").unwrap().starts_with(&format!("{}=; ", names[0])));
}

#[tokio::test]
async fn readers_and_read_only_inspectors_change_nothing_and_reveal_nothing() {
    let under = Under::with_tokens();
    let read_only = Under::new(|builder| builder.token(TOKEN).read_only());
    for (under, token) in [(&under, READER), (&read_only, TOKEN)] {
        let id = under.dead(COMPLETE, "failed").await;
        for action in ["reveal", "replay", "resolve", "reopen", "forget"] {
            let body = format!(r#"{{"note":"n","confirm":"{id}"}}"#);
            under.post(token, &format!("/api/deliveries/{id}/{action}"), &body).await.assert_problem(403);
        }
        under.get(token, &format!("/api/deliveries/{id}/body")).await.assert_problem(403);
        let shown = under.get(token, &format!("/api/deliveries/{id}")).await;
        assert_eq!((shown.status(), shown.json()["state"].clone()), (200, "dead".into()));
        assert!(!shown.text().contains("shop-20418"), "{}", shown.text());
        assert_eq!(under.get(token, "/api/overview").await.json()["caller"]["operates"], false);
    }
}

#[tokio::test]
async fn a_function_of_the_application_decides_and_its_panic_denies() {
    let under = Under::new(|builder| {
        builder.authorize(|request| match request.header("x-user") {
            Some("ada") => Access::Operator("ada".to_owned()),
            Some("bob") => Access::Reader("bob".to_owned()),
            Some("panic") => panic!("requested by the test"),
            _ => Access::Denied,
        })
    });
    let as_user = async |user| under.send(request("GET", "/api/overview", &[("x-user", user)], "")).await;
    assert_eq!(as_user("ada").await.json()["caller"], serde_json::json!({ "name": "ada", "operates": true }));
    assert_eq!(as_user("bob").await.json()["caller"], serde_json::json!({ "name": "bob", "operates": false }));
    as_user("eve").await.assert_problem(403);
    as_user("panic").await.assert_problem(500);
    sign_in(&under, TOKEN).await.assert_problem(404);
}
