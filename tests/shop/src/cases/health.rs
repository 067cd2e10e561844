//! The route of health checks.

use crate::connection::answer_to;
use crate::home::{Home, Subject};

/// `GET` and `HEAD` have the same status, with a slash at the end and without. Other methods are not allowed.
pub async fn a_health_check_is_a_get_or_a_head(subject: Subject) {
    let (_home, shop) = Home::started(subject).await;
    for path in ["/healthz", "/healthz/"] {
        for (method, status) in [("GET", 200), ("HEAD", 200), ("POST", 405), ("PUT", 405), ("DELETE", 405), ("OPTIONS", 405)] {
            let reply = answer_to(shop.request(method, path)).await.unwrap();
            assert_eq!(reply.status, status, "{method} {path}");
        }
    }
    assert_eq!(shop.get("/healthz/elsewhere").await.status, 404);
}
