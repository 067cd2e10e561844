//! Repetitions of an event.

use tokio::task::JoinSet;

use crate::connection::Response;
use crate::event::order_complete;
use crate::home::{Home, Subject};

/// All copies are acknowledged, and one is handled.
pub async fn two_hundred_copies_at_once_are_handled_once(subject: Subject) {
    let (home, shop) = Home::started(subject).await;
    let mut copies = JoinSet::new();
    for _ in 0..200 {
        let client = shop.client.clone();
        copies.spawn(async move {
            loop {
                let reply = client.wert(order_complete("1", "ada", "250.50")).await;
                // On a slow machine, the deadline of a response can pass. Wert sends the event again.
                if reply.status != 503 {
                    return reply;
                }
            }
        });
    }
    copies.join_all().await.iter().for_each(Response::assert_received);
    home.database().settled().await;
    assert_eq!(shop.points("ada").await, "250.5");
    assert_eq!(home.database().deliveries(), 1);
    assert_eq!(shop.stop().await.handled().len(), 1);
}

/// The second event is acknowledged and recorded as a conflict, and the first one is unchanged.
pub async fn another_amount_under_the_same_key_changes_nothing(subject: Subject) {
    let (home, shop) = Home::started(subject).await;
    for amount in ["250.50", "9000.00", "250.50", "9000.00"] {
        shop.wert(order_complete("1", "ada", amount)).await.assert_received();
    }
    home.database().settled().await;
    assert_eq!(shop.points("ada").await, "250.5");
    assert_eq!((home.database().deliveries(), home.database().conflicts()), (2, 1));
    assert_eq!(shop.stop().await.handled().len(), 1);
}
