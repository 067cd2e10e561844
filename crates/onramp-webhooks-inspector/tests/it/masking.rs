//! Masked data stays masked: in every field, and for those who guess.

use onramp_webhooks::Inbox;
use onramp_webhooks::fingerprint::Fingerprint;
use onramp_webhooks::identity::{DedupKey, Identity};

use crate::tools::{COMPLETE, NOW, READER, TOKEN, Under};

const CUSTOMER: &str = "shop-20418";

fn count(list: &serde_json::Value) -> usize {
    list["data"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_reader_finds_no_error_by_a_masked_value() {
    let under = Under::with_tokens();
    let read_only = Under::new(|builder| builder.token(TOKEN).read_only());
    for (under, token) in [(&under, READER), (&read_only, TOKEN)] {
        for number in 0..3 {
            under.dead(COMPLETE, &format!("no user {CUSTOMER} in table {number}")).await;
        }
        let find = async |query: &str| under.get(token, &format!("/api/deliveries?{query}")).await.json();
        for guess in ["shop-20418", "user%20shop", "shop-2", "20418"] {
            let found = find(&format!("state=dead&limit=1&error={guess}")).await;
            assert_eq!((count(&found), &found["next"]), (0, &().into()), "{guess}");
        }
        let found = find("state=dead&limit=2&error=in%20table").await;
        assert_eq!((count(&found), found["data"][0]["note"].as_str()), (2, Some("no user ••• in table 2")));
        let next = found["next"].as_str().unwrap();
        let rest = find(&format!("state=dead&limit=2&error=in%20table&before={next}")).await;
        assert_eq!((count(&rest), &rest["next"]), (1, &().into()));
    }
    let found = under.get(TOKEN, &format!("/api/deliveries?error={CUSTOMER}")).await.json();
    assert_eq!(count(&found), 3, "an operator may see the value");
}

/// Keys have hashes of personal ids, which can be compared with those of guesses.
#[tokio::test]
async fn a_personal_id_of_a_key_is_never_shown_and_no_reader_finds_it() {
    let under = Under::with_tokens();
    let key = Identity::once("click", CUSTOMER).personal().key("wert", "login", &Fingerprint::of(b"{}").with_money(&[])).unwrap();
    let hash = key.subject().rsplit('/').next().unwrap().to_owned();
    let id = under.record_as("wert", b"{}", |delivery| delivery.key = Some(key)).await;
    for token in [READER, TOKEN] {
        for path in ["/api/deliveries".to_owned(), format!("/api/deliveries/{id}")] {
            let shown = under.get(token, &path).await;
            assert!(
                shown.status() == 200 && !shown.text().contains(&hash) && !shown.text().contains(CUSTOMER),
                "{}",
                shown.text()
            );
        }
    }
    let text = format!(r#"{{"text":"{CUSTOMER}"}}"#);
    let subject = form_urlencoded::byte_serialize(format!("wert/click/{hash}").as_bytes()).collect::<String>();
    for (token, expected) in [(READER, 0), (TOKEN, 1)] {
        assert_eq!(count(&under.post(token, "/api/find", &text).await.json()), expected);
        assert_eq!(count(&under.get(token, &format!("/api/deliveries?order={subject}")).await.json()), expected);
        let order = hash.replace('#', "%23");
        let of_order = under.get(token, &format!("/api/orders/wert/click/{order}")).await.json();
        assert_eq!(count(&of_order), 0, "a hash is no id");
    }
}

#[tokio::test]
async fn an_id_that_is_masked_in_its_body_is_not_shown_beside_it() {
    let under = Under::with_tokens();
    let key = DedupKey::new("wert", "order", "shop-20418", "x");
    let id = under.record_as("wert", br#"{"type":"x","click_id":"shop-20418"}"#, |delivery| delivery.key = Some(key)).await;
    let shown = under.get(READER, &format!("/api/deliveries/{id}")).await;
    assert_eq!((&shown.json()["about"], &shown.json()["subject"]), (&().into(), &().into()));
    assert!(!shown.text().contains("shop-20418"));
}

#[tokio::test]
async fn notes_and_resolutions_are_scrubbed_for_every_kind_of_body() {
    let under = Under::with_tokens();
    let texts: [&[u8]; 4] =
        [br#"{"type":"x","click_id":"shop-20418"}"#, b"click_id=shop-20418&x=%00", b"<a>shop-20418</a>", b"\xff shop-20418"];
    for body in texts {
        let id = under.dead(body, "no user shop-20418").await;
        under.inbox.resolve(NOW, id, "paid shop-20418 by hand").await.unwrap();
        for shown in [under.get(TOKEN, &format!("/api/deliveries/{id}")).await, under.get(TOKEN, "/api/deliveries").await] {
            assert!(shown.status() == 200 && !shown.text().contains("20418"), "{}", shown.text());
        }
        let revealed = under.post(TOKEN, &format!("/api/deliveries/{id}/reveal"), "{}").await.json();
        assert_eq!(
            (&revealed["note"], &revealed["resolution"]),
            (&"no user shop-20418".into(), &"paid shop-20418 by hand".into())
        );
    }
    let id = under.dead(COMPLETE, "no user shop-20418").await;
    under.inbox.resolve(NOW, id, "paid shop-20418 by hand").await.unwrap();
    let shown = under.get(READER, &format!("/api/deliveries/{id}")).await.json();
    assert_eq!((&shown["note"], &shown["resolution"]), (&"no user •••".into(), &"paid ••• by hand".into()));
    assert_eq!(shown["history"][1]["text"], "paid ••• by hand");
}
