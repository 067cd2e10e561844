//! The methods of the routes.

use crate::connection::answer_to;
use crate::home::{Home, Subject};

/// `GET` and `HEAD` have the same status. Other methods are refused with the ones that are allowed.
pub async fn each_route_says_which_methods_it_allows(subject: Subject) {
    let (_home, shop) = Home::started(subject).await;
    for (path, allowed) in [
        ("/healthz", &["GET", "HEAD"][..]),
        ("/healthz/", &["GET", "HEAD"]),
        ("/points/ada%20l.", &["GET", "HEAD"]),
        ("/buy", &["POST"]),
    ] {
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"] {
            let reply = answer_to(shop.request(method, path).body("{}")).await.unwrap();
            if (method, path) == ("POST", "/buy") {
                // This shop starts no widgets.
                assert_eq!(reply.status, 404);
            } else if allowed.contains(&method) {
                assert_eq!(reply.status, 200, "{method} {path}");
            } else {
                assert_eq!(reply.status, 405, "{method} {path}");
                let named = reply.header("allow").unwrap_or_default().split(',').map(str::trim).collect::<Vec<_>>();
                assert_eq!(named, allowed, "{method} {path}");
            }
        }
    }
    assert_eq!(shop.get("/healthz/elsewhere").await.status, 404);
}
