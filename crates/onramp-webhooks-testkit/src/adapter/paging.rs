//! Pages below a prefix.

use super::harness::{Harness, Setup, request};

async fn shown(harness: &Harness, method: &str, path: &str, body: &str) -> String {
    let response = harness.send(method, path, &[("x-tag", "1"), ("x-tag", "2")], body).await;
    assert_eq!(response.status, 203, "{method} {path}: {response:?}");
    assert_eq!(response.header("content-type"), Some("text/plain"));
    let cookies: Vec<_> = response.headers.iter().filter(|(name, _)| name == "set-cookie").map(|(_, value)| value).collect();
    assert_eq!(cookies, ["a=1", "b=2"]);
    response.text().to_owned()
}

/// The page gets the method, the path below its mount, the query, the peer, the headers and the body as they were sent.
pub(super) async fn a_page_sees_the_request_below_its_mount(setup: &Setup) {
    let harness = setup.harness().await;
    for (path, seen, query) in [
        ("/page/", "/", "-"),
        ("/page/a", "/a", "-"),
        ("/page/a/b/", "/a/b/", "-"),
        ("/page/a%2Fb/%E2%82%AC?x=1%2F&y", "/a%2Fb/%E2%82%AC", "x=1%2F&y"),
        ("/page/page/page", "/page/page", "-"),
    ] {
        assert_eq!(shown(&harness, "GET", path, "").await, format!("GET {seen} {query} 127.0.0.1 1+2 "), "{path}");
    }
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        assert_eq!(shown(&harness, method, "/page/a", "{}").await, format!("{method} /a - 127.0.0.1 1+2 {{}}"));
    }
}

pub(super) async fn a_mount_without_its_slash_redirects(setup: &Setup) {
    let harness = setup.harness().await;
    for (path, location) in [("/page", "./page/"), ("/page?state=dead", "./page/?state=dead")] {
        let response = harness.send("GET", path, &[], "").await;
        assert_eq!((response.status, response.header("location")), (308, Some(location)), "{response:?}");
    }
}

pub(super) async fn a_page_leaves_other_routes_alone(setup: &Setup) {
    let harness = setup.harness().await;
    assert_eq!(harness.send("GET", "/elsewhere", &[], "").await.text(), harness.site.elsewhere());
    for path in ["/pages", "/pages/a", "/pag"] {
        assert_eq!(harness.send("GET", path, &[], "").await.status, 404, "{path}");
    }
}

pub(super) async fn a_stream_of_a_page_arrives_as_it_comes(setup: &Setup) {
    let harness = setup.harness().await;
    let mut connection = harness.connect_unheard().await;
    connection.send(request("GET", "/page/stream", &[], b"")).await;
    let begun = connection.begins().await;
    assert_eq!((begun.status, begun.text()), (200, "the beginning"));
    assert_eq!(begun.header("content-type"), Some("text/event-stream"));
    harness.let_go();
    assert_eq!(connection.chunk().await, b"the end");
}

pub(super) async fn a_body_over_the_limit_does_not_reach_a_page(setup: &Setup) {
    let harness = setup.harness().await;
    let body = "a".repeat(64 << 10);
    assert!(shown(&harness, "POST", "/page/a", &body).await.ends_with(&body));
    harness.send("POST", "/page/a", &[], &format!("{body}a")).await.assert_problem(413);
}

/// A header that would split the response becomes a server error.
pub(super) async fn an_invalid_response_of_a_page_is_a_server_error(setup: &Setup) {
    let harness = setup.harness().await;
    let response = harness.send("GET", "/page/invalid", &[], "").await;
    response.assert_problem(500);
    assert!(response.header("set-cookie").is_none(), "{response:?}");
}
