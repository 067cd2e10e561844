//! Several shops that share a database.

use std::collections::BTreeSet;

use crate::event::{order_complete, postback};
use crate::home::{Home, Subject};

/// Every event is sent to both shops, and handled by one of them.
pub async fn two_shops_on_one_database_handle_every_event_once(subject: Subject) {
    let home = Home::of(subject);
    let (one, other) = tokio::join!(home.start(), home.start());
    for event in 0..300 {
        let (shop, again) = if event % 2 == 0 { (&one, &other) } else { (&other, &one) };
        let id = event.to_string();
        if event % 3 == 0 {
            tokio::join!(shop.kriptomat(postback(&id, "ada", "0.1")), again.kriptomat(postback(&id, "ada", "0.1")))
                .0
                .assert_received();
        } else {
            shop.wert(order_complete(&id, "ada", "0.1")).await.assert_received();
        }
    }
    home.database().settled().await;
    assert_eq!((one.points("ada").await, other.points("ada").await), ("30".to_owned(), "30".to_owned()));
    let mut handled = one.stop().await.handled();
    handled.extend(other.stop().await.handled());
    let keys: BTreeSet<_> = handled.iter().map(|line| line["key"].as_str().unwrap()).collect();
    assert_eq!((keys.len(), handled.len()), (300, 300));
}
