//! The table of replies, at the endpoints of both providers.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use onramp_webhooks::clock::{ManualClock, Timestamp};
use onramp_webhooks::inbox::{DeadCause, MemoryInbox, QuarantineBound, ReplayScope, Replayed, Settled, State, replay};
use onramp_webhooks::provider::Providers;
use onramp_webhooks::{Delivery, Wert};
use onramp_webhooks_testkit::events::{WertOrder, wert_account, wert_test};

use crate::faulty::{Faulty, InboxCall};
use crate::tools::{Door, doors, endpoint, header, is_received, says};

#[tokio::test]
async fn a_new_event_is_pending() {
    for door in doors() {
        let body = door.purchase();
        is_received(&door.post(body.clone()).await);
        let record = door.only().await;
        assert_eq!((record.state, record.provider.as_str(), record.body), (State::Pending, door.provider, Some(body)));
        assert_eq!(&*record.endpoint, door.provider);
        let claimed = door.claim().await.remove(0);
        let purchase = Delivery::read(claimed, &Providers::default()).unwrap().event().completed_purchase().unwrap().unwrap();
        assert_eq!(purchase.fiat.amount.to_string(), "250.00");
    }
}

#[tokio::test]
async fn a_duplicate_is_received_whatever_the_state_of_the_first() {
    let late = Timestamp::from_millis(i64::MAX);
    let outcomes = [
        (Some(Settled::Handled), State::Handled, false),
        (Some(Settled::Dead { cause: DeadCause::AttemptsUsedUp, error: "e".into() }), State::Dead, true),
        (Some(Settled::Retry { at: late, error: "e".into() }), State::Retrying, true),
        (Some(Settled::Parked { until: late, reason: "e".into() }), State::Parked, false),
        (Some(Settled::Released), State::Pending, false),
        (None, State::Leased, false),
    ];
    for (outcome, state, requeued) in outcomes {
        for door in doors() {
            let body = door.purchase();
            is_received(&door.post(body.clone()).await);
            let claimed = door.claim().await.remove(0);
            if let Some(outcome) = outcome.clone() {
                door.settle(&claimed, outcome).await;
            }
            assert_eq!(door.only().await.state, state);
            is_received(&door.post(body).await);
            let record = door.only().await;
            assert_eq!((record.state, record.duplicates), (if requeued { State::Pending } else { state }, 1));
        }
    }
}

#[tokio::test]
async fn white_space_and_the_order_of_fields_make_no_other_event() {
    let door = Door::new("wert", MemoryInbox::new(), |builder| builder);
    is_received(&door.post(r#"{"type":"login","click_id":"A"}"#).await);
    is_received(&door.post("{ \"click_id\" : \"\\u0041\",\r\n \"type\" : \"login\" }").await);
    assert_eq!(door.only().await.duplicates, 1);
}

#[tokio::test]
async fn what_has_no_id_is_new_again_after_the_retry_horizon() {
    let horizon = Duration::from_secs(16 * 3_600);
    let clock = ManualClock::at(Timestamp::from_millis(0));
    let door = Door::new("wert", MemoryInbox::new(), |builder| builder.clock(Arc::new(clock.clone())));
    let (login, purchase) = (wert_account("login", "C"), door.purchase());
    for (moment, kept) in [(Duration::ZERO, 2), (horizon - Duration::from_millis(1), 2), (horizon, 3), (horizon * 1_000, 4)] {
        clock.set(Timestamp::from_millis(0).after(moment));
        for body in [&login, &purchase] {
            is_received(&door.post(body.clone()).await);
        }
        assert_eq!(door.kept().await.len(), kept, "after {moment:?}");
    }
}

#[tokio::test]
async fn the_same_key_with_another_body_is_a_conflict() {
    for door in doors() {
        let (first, other) = door.contradiction();
        is_received(&door.post(first.clone()).await);
        is_received(&door.post(other).await);
        assert_eq!(door.states().await, [State::Conflict, State::Pending]);
        let due = door.claim().await;
        assert_eq!(due.iter().map(|claimed| &claimed.body).collect::<Vec<_>>(), [&first], "the first one stands");
    }
}

#[tokio::test]
async fn an_unknown_type_is_handled_as_unknown() {
    let door = Door::new("wert", MemoryInbox::new(), |builder| builder);
    is_received(&door.post(WertOrder::new().event("order_refunded")).await);
    let record = door.only().await;
    assert_eq!((record.state, record.event_type.as_deref()), (State::Pending, Some("order_refunded")));
    let delivery = Delivery::read(door.claim().await.remove(0), &Providers::default()).unwrap();
    assert_eq!(delivery.event().type_label(), "unknown");
    assert_eq!(delivery.event().completed_purchase(), Ok(None));
}

#[tokio::test]
async fn a_body_that_does_not_fit_its_type_lies_in_quarantine() {
    for door in doors() {
        says(&door.post(door.unreadable()).await, door.expected(200, 400));
        let record = door.only().await;
        let purchase = if door.provider == "wert" { "order_complete" } else { "postback" };
        assert_eq!((record.state, record.event_type.as_deref()), (State::Quarantined, Some(purchase)));
        assert!(record.note.as_deref().is_some_and(|note| note.contains("amount")), "{:?}", record.note);
        assert!(door.claim().await.is_empty());
        let replayed =
            replay(door.inbox(), door.receiver.providers(), record.id, ReplayScope::Unhandled, record.received_at).await.unwrap();
        assert!(matches!(replayed, Replayed::StillUnreadable { .. }), "{replayed:?}");
    }
}

#[tokio::test]
async fn what_is_no_json_object_lies_in_quarantine() {
    let deep = "[".repeat(100_000);
    let noise: [&[u8]; 9] = [b"", b" ", b"{", b"[]", b"null", b"\"order_complete\"", b"12", b"\xff\xfe{}", deep.as_bytes()];
    for body in noise {
        for door in doors() {
            let reply = door.post(body.to_vec()).await;
            says(&reply, door.expected(200, 400));
            let record = door.only().await;
            assert_eq!((record.state, record.body.as_deref()), (State::Quarantined, Some(body)));
            says(&door.post(body.to_vec()).await, door.expected(200, 400));
            assert_eq!(door.only().await.duplicates, 1, "kept once");
        }
    }
}

#[tokio::test]
async fn noise_is_bounded_and_unreadable_bodies_are_not() {
    for provider in ["wert", "kriptomat"] {
        let inbox = MemoryInbox::with_quarantine(QuarantineBound::new(2, 1 << 20));
        let door = Door::new(provider, inbox, |builder| builder);
        door.post(door.unreadable()).await;
        for number in 0..5 {
            says(&door.post(format!("{{{number}")).await, door.expected(200, 400));
        }
        let mut bodies = Vec::new();
        for record in door.kept().await {
            bodies.push(door.inbox().show(record.id).await.unwrap().unwrap().body.unwrap());
        }
        assert_eq!(bodies[..2], [Bytes::from("{4"), Bytes::from("{3")]);
        assert_eq!(bodies.len(), 3);
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_cut_and_marked() {
    for provider in ["wert", "kriptomat"] {
        let door = Door::new(provider, MemoryInbox::new(), |builder| builder);
        let mut body = door.purchase().to_vec();
        body.resize(2 << 20, b' ');
        says(&door.post(body.clone()).await, door.expected(200, 413));
        let record = door.only().await;
        assert_eq!(
            (record.state, record.body.as_deref()),
            (State::Quarantined, Some(&body[..1 << 20])),
            "the default limit is 1 MiB"
        );
        assert!(record.note.unwrap().contains("1048576"));
        says(&door.post(body.clone()).await, door.expected(200, 413));
        assert_eq!(door.only().await.duplicates, 1);

        let fits = Door::new(provider, MemoryInbox::new(), |builder| builder.body_limit(body.len()));
        is_received(&fits.post(body.clone()).await);
        assert_eq!(fits.only().await.state, State::Pending);
        let one_too_many = Door::new(provider, MemoryInbox::new(), |builder| builder.body_limit(body.len() - 1));
        says(&one_too_many.post(body).await, door.expected(200, 413));
    }
}

#[tokio::test]
async fn a_test_event_is_recorded_every_time_and_never_a_purchase() {
    let door = Door::new("wert", MemoryInbox::new(), |builder| builder);
    let body = wert_test();
    for _ in 0..2 {
        is_received(&door.post(body.clone()).await);
    }
    let due = door.claim().await;
    assert_eq!(due.len(), 2);
    for claimed in due {
        let delivery = Delivery::read(claimed, &Providers::default()).unwrap();
        assert_eq!((delivery.event().type_label(), delivery.key()), ("test", None));
        assert_eq!(delivery.event().completed_purchase(), Ok(None));
    }
}

#[tokio::test]
async fn a_wrong_secret_finds_nothing() {
    for door in doors() {
        let path = format!("/{}/wrong", door.provider);
        says(&door.send("POST", &path, None, &[], door.purchase()).await, 404);
        assert!(door.kept().await.is_empty());
    }
}

#[tokio::test]
async fn an_address_that_is_not_allowed_or_not_known_is_denied() {
    for provider in ["wert", "kriptomat"] {
        let endpoint = endpoint(provider).allow("192.0.2.1".parse().unwrap());
        let door = Door::with(endpoint, provider, MemoryInbox::new(), |builder| builder);
        for peer in [Some("192.0.2.2"), Some("::1"), None] {
            says(&door.send("POST", &door.path, peer, &[], door.purchase()).await, 403);
        }
        assert!(door.kept().await.is_empty());
        is_received(&door.send("POST", &door.path, Some("192.0.2.1"), &[], door.purchase()).await);
    }
}

#[tokio::test]
async fn another_method_is_told_which_one() {
    for door in doors() {
        for method in ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "post", ""] {
            let reply = door.send(method, &door.path, None, &[], door.purchase()).await;
            says(&reply, 405);
            assert_eq!(header(&reply, "allow"), Some("POST"));
            says(&door.send(method, "/wert/wrong", None, &[], "").await, 404);
        }
        assert!(door.kept().await.is_empty());
    }
}

#[tokio::test]
async fn an_inbox_that_fails_is_told_and_nothing_is_acknowledged() {
    for provider in ["wert", "kriptomat"] {
        let inbox = Faulty::default();
        let door = Door::new(provider, inbox.clone(), |builder| builder);
        let bodies = [door.purchase(), door.unreadable(), Bytes::from("{"), vec![b' '; 2 << 20].into()];
        for body in bodies {
            inbox.errors(InboxCall::Record, 1);
            let reply = door.post(body).await;
            says(&reply, 503);
            assert_eq!(header(&reply, "retry-after"), Some("5"));
        }
        assert!(door.kept().await.is_empty());
        is_received(&door.post(door.purchase()).await);
    }
}

#[tokio::test(start_paused = true)]
async fn an_inbox_that_hangs_is_told_within_the_ack_deadline() {
    for provider in ["wert", "kriptomat"] {
        let inbox = Faulty::default();
        let door = Door::new(provider, inbox.clone(), |builder| builder);
        inbox.hangs(InboxCall::Record);
        let begun = tokio::time::Instant::now();
        let reply = door.post(door.purchase()).await;
        says(&reply, 503);
        assert_eq!(header(&reply, "retry-after"), Some("5"));
        assert_eq!(begun.elapsed().as_secs(), 4, "the default deadline is 4 s");
        inbox.recovers();
        is_received(&door.post(door.purchase()).await);

        let impatient = Door::new(provider, inbox.clone(), |builder| builder.ack_deadline(Duration::from_millis(50)));
        inbox.hangs(InboxCall::Record);
        let begun = tokio::time::Instant::now();
        says(&impatient.post(impatient.purchase()).await, 503);
        assert!(begun.elapsed() < Duration::from_millis(60));
    }
}

#[tokio::test]
async fn a_content_encoding_that_nobody_decodes_is_kept_for_people() {
    for door in doors() {
        let gzip = [("content-encoding", "gzip")];
        let body = Bytes::from_static(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xabV*\xa9,HU\xb2R");
        says(&door.send("POST", &door.path, None, &gzip, body.clone()).await, door.expected(200, 400));
        let record = door.only().await;
        assert_eq!((record.state, record.body), (State::Quarantined, Some(body)));
        assert!(record.note.unwrap().contains("gzip"));
        let replayed =
            replay(door.inbox(), door.receiver.providers(), record.id, ReplayScope::Unhandled, record.received_at).await.unwrap();
        assert!(matches!(replayed, Replayed::StillUnreadable { .. }));

        for encoding in ["Identity", "", "utf-8", "gzip"] {
            let readable = [("Content-Encoding", encoding)];
            is_received(&door.send("POST", &door.path, None, &readable, door.purchase()).await);
        }
        assert_eq!(door.states().await.iter().filter(|state| **state == State::Pending).count(), 4);
    }
}

#[tokio::test]
async fn endpoints_have_their_own_secrets_and_keys() {
    let receiver = onramp_webhooks::Receiver::builder(MemoryInbox::new())
        .endpoint(Wert::with_path_secret("live-s3cret-for-examples"))
        .endpoint(Wert::with_path_secret("play-s3cret-for-examples").named("sandbox"))
        .build()
        .unwrap();
    let door = Door { provider: "wert", receiver, path: "/wert/live-s3cret-for-examples".into() };
    let body = door.purchase();
    is_received(&door.post(body.clone()).await);
    is_received(&door.send("POST", "/sandbox/play-s3cret-for-examples", None, &[], body.clone()).await);
    says(&door.send("POST", "/sandbox/live-s3cret-for-examples", None, &[], body).await, 404);
    let kept = door.kept().await;
    assert_eq!(kept.iter().map(|record| &*record.endpoint).collect::<Vec<_>>(), ["sandbox", "wert"]);
    assert_eq!(kept.iter().map(|record| record.state).collect::<Vec<_>>(), [State::Pending; 2]);
}
