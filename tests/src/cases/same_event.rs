//! The same event, many times.

use std::sync::Arc;

use crate::event::order_complete;
use crate::home::Home;

/// All are acknowledged; one is handled.
pub async fn two_hundred_copies_at_once_are_handled_once(binary: &str) {
    let home = Home::of(binary);
    let shop = Arc::new(home.start().await);
    let copies: Vec<_> = (0..200)
        .map(|_| {
            let shop = Arc::clone(&shop);
            tokio::spawn(async move { shop.wert(order_complete("1", "ada", "250.50")).await })
        })
        .collect();
    for copy in copies {
        copy.await.unwrap().assert_received();
    }
    home.database().settled().await;
    assert_eq!(shop.points("ada").await, "250.5");
    assert_eq!(home.database().deliveries(), 1);
    assert_eq!(Arc::into_inner(shop).unwrap().stop().await.handled().len(), 1);
}

/// It is acknowledged and kept beside the first, which stands.
pub async fn another_amount_under_the_same_key_changes_nothing(binary: &str) {
    let home = Home::of(binary);
    let shop = home.start().await;
    for amount in ["250.50", "9000.00", "250.50", "9000.00"] {
        shop.wert(order_complete("1", "ada", amount)).await.assert_received();
    }
    home.database().settled().await;
    assert_eq!(shop.points("ada").await, "250.5");
    assert_eq!((home.database().deliveries(), home.database().conflicts()), (2, 1));
    assert_eq!(shop.stop().await.handled().len(), 1);
}
