//! The status of endpoints in the health check.

use serde_json::Value;

use crate::event::{order_complete, postback};
use crate::home::{Home, Subject};
use crate::shop::ShopProcess;
use crate::wait::until;

/// A provider whose requests are all denied is reported with advice, and the shop stays healthy.
pub async fn a_provider_that_is_refused_is_reported_with_advice(subject: Subject) {
    let home = Home::of(subject);
    let shop = home.launch().env("KRIPTOMAT_ALLOW", "174.138.2.203").start().await;
    for _ in 0..3 {
        shop.kriptomat(postback("1", "ada", "1")).await.assert_problem(403);
    }
    until("it is reported", async || endpoint(&shop, "kriptomat").await["verdict"] == "refusing").await;
    let kriptomat = endpoint(&shop, "kriptomat").await;
    assert!(kriptomat["advice"].as_str().unwrap().contains("webhook_url"), "{kriptomat}");
    assert_eq!(endpoint(&shop, "wert").await["verdict"], "fine");
}

/// A new process reads the time of the last delivery from the inbox.
pub async fn the_last_delivery_is_known_after_a_restart(subject: Subject) {
    let (home, shop) = Home::started(subject).await;
    shop.wert(order_complete("1", "ada", "1")).await.assert_received();
    let wert = endpoint(&shop, "wert").await;
    assert_eq!((&wert["answers"]["success"], &wert["refused_in_a_row"]), (&1.into(), &0.into()));
    let _ = shop.kill();
    let shop = home.start().await;
    until("it is known", async || endpoint(&shop, "wert").await["last_received"] == wert["last_received"]).await;
    assert_eq!(endpoint(&shop, "wert").await["answers"]["success"], 0);
}

/// A later version recorded deliveries before its update was reverted. They wait, are counted, and hold nothing up.
pub async fn what_only_a_later_version_knows_waits_alone(subject: Subject) {
    let home = Home::of(subject);
    let receiver = home.launch().env("HANDLE", "no").start().await;
    for order in ["1", "2", "3"] {
        receiver.wert(order_complete(order, "ada", "1.5")).await.assert_received();
    }
    receiver.stop().await;
    home.database().execute(
        "UPDATE {deliveries} SET provider = 'later' WHERE id = 1;
         UPDATE {deliveries} SET state = 99, due_at = NULL WHERE id = 2",
    );
    let shop = home.start().await;
    shop.has_handled(1).await;
    shop.wert(order_complete("4", "ada", "1.5")).await.assert_received();
    shop.has_handled(2).await;
    let counts = async || shop.get("/healthz").await.json()["counts"].clone();
    until("the delivery of a later provider is parked", async || counts().await["parked"] == 1).await;
    assert_eq!((&counts().await["unknown"], &counts().await["handled"]), (&1.into(), &Value::Null));
    assert_eq!(shop.points("ada").await, "3");
}

async fn endpoint(shop: &ShopProcess, name: &str) -> Value {
    let reply = shop.get("/healthz").await;
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")));
    let health = reply.json();
    assert_eq!(health["healthy"], true);
    let found = health["endpoints"].as_array().unwrap().iter().find(|endpoint| endpoint["name"] == name);
    found.unwrap().clone()
}
