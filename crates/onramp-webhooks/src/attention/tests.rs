//! Tests of the list of problems.

use std::time::Duration;

use super::*;
use crate::StoreErrorKind;
use crate::delivery::{DeliveryId, NewDelivery, Quarantine};
use crate::identity::{DedupKey, Identity};
use crate::inbox::{ClaimRequest, DeadCause, Filter, MemoryInbox, Recorded, Settled, Settlement, list_all};

const NOW: Timestamp = Timestamp::from_millis(1_767_355_200_000);

fn order(id: &str, customer: &str, amount: &str) -> NewDelivery {
    let body = format!(
        r#"{{"type":"order_complete","click_id":"{customer}","order":{{"id":"{id}","base":"BTC","base_amount":"1","quote":"USD","quote_amount":"{amount}"}}}}"#
    );
    let mut delivery = NewDelivery::new("wert", "wert", NOW, body.into());
    delivery.event_type = Some("order_complete".to_owned());
    delivery.key = Some(DedupKey::new("wert", "order", id, "order_complete"));
    delivery
}

/// Records a delivery, which then becomes a dead letter.
async fn dead(inbox: &MemoryInbox, delivery: NewDelivery, cause: DeadCause, error: &str) -> DeliveryId {
    let Recorded::New(id) = inbox.record(delivery).await.unwrap() else { panic!("it is new") };
    let claims = inbox.claim(NOW, ClaimRequest::new(1, Duration::from_secs(9))).await.unwrap();
    let settled = Settled::Dead { cause, error: error.to_owned() };
    inbox.settle(NOW, vec![Settlement::new(claims.deliveries[0].lease, settled)]).await.unwrap();
    id
}

async fn of(inbox: &MemoryInbox) -> Attention {
    attention(inbox, &Providers::default(), NOW).await.unwrap()
}

fn shown(attention: &Attention) -> Vec<(String, &str, &str)> {
    attention.items.iter().map(|item| (item.title(), &*item.detail, &*item.command)).collect()
}

#[tokio::test]
async fn nothing_needs_attention_in_an_empty_inbox() {
    let found = of(&MemoryInbox::new()).await;
    assert!(found.items.is_empty() && found.oldest_due.is_none());
}

#[tokio::test]
async fn dead_letters_are_grouped_by_error_and_have_their_money() {
    let inbox = MemoryInbox::new();
    for (number, amount) in ["250.00", "49.99"].into_iter().enumerate() {
        let error = format!("insert into points of Ada-{number}: no column, trace {number}77");
        let delivery = order(&format!("O{number}"), &format!("Ada-{number}"), amount);
        dead(&inbox, delivery, DeadCause::AttemptsUsedUp, &error).await;
    }
    dead(&inbox, order("O7", "Ada", "1.00"), DeadCause::RefusedByHandler, "no user Ada").await;
    let unsure = dead(&inbox, order("O8", "Ada", "1.00"), DeadCause::TransactionEnded, "committed").await;
    let found = of(&inbox).await;
    assert_eq!(
        shown(&found)[0],
        (
            "2 dead letters with the same error: attempts used up".to_owned(),
            "insert into points of •••: no column, trace …",
            "inbox replay --reason exhausted --error 'insert into points of' --max 2"
        )
    );
    assert_eq!(found.items[0].tally.money().collect::<Vec<_>>(), ["299.99 USD"]);
    assert_eq!(list_all(&inbox, found.items[0].filter.clone()).await.unwrap().len(), 2);
    assert!(shown(&found).contains(&("1 dead letter: refused by the handler".into(), "no user •••", "inbox replay 3")));
    let command = format!("inbox show {unsure}");
    let title = "1 dead letter: its transaction was ended by the handler".to_owned();
    assert!(shown(&found).contains(&(title, "committed", &command)), "another attempt could pay twice");
    for id in [1, 2, 3, 4] {
        inbox.resolve(NOW, DeliveryId::from_i64(id), "").await.unwrap();
    }
    assert!(of(&inbox).await.items.is_empty(), "resolved ones need no attention");
}

#[tokio::test]
async fn the_money_of_rare_errors_is_counted() {
    let inbox = MemoryInbox::new();
    for number in 0..23_u8 {
        let error = format!("error of kind {}", char::from(b'a' + number));
        dead(&inbox, order(&format!("O{number}"), "Ada", "1.50"), DeadCause::AttemptsUsedUp, &error).await;
    }
    let found = of(&inbox).await;
    assert_eq!(found.items.len(), 21);
    let others = &found.items[20];
    assert_eq!(others.title(), "3 dead letters with other errors");
    assert_eq!((others.kind.as_str(), &*others.command), ("other_dead_letters", "inbox list --state dead"));
    assert_eq!(others.tally.money().collect::<Vec<_>>(), ["4.50 USD"]);
    let newest = found.items.iter().filter_map(|item| item.tally.newest).max();
    assert_eq!((others.tally.purchases, others.tally.first, newest), (3, Some(NOW), Some(DeliveryId::from_i64(23))));
}

#[tokio::test]
async fn a_personal_id_is_not_a_part_of_a_problem() {
    let inbox = MemoryInbox::new();
    for body in ["{}", "[]"] {
        let mut delivery = NewDelivery::new("wert", "wert", NOW, body.into());
        delivery.key =
            Some(Identity::once("click", "customer-20418").personal().key("wert", "login", &delivery.fingerprint).unwrap());
        inbox.record(delivery).await.unwrap();
    }
    assert_eq!(of(&inbox).await.items[0].detail, "click");
}

#[tokio::test]
async fn a_command_covers_every_dead_letter_that_its_text_finds() {
    let inbox = MemoryInbox::new();
    for (number, error) in ["timeout of the bank: 1", "timeout of the bank: 2", "timeout of the bank: gone"].iter().enumerate() {
        dead(&inbox, order(&format!("O{number}"), "Ada", "1.00"), DeadCause::AttemptsUsedUp, error).await;
    }
    let found = of(&inbox).await;
    assert_eq!(found.items[0].command, "inbox replay --reason exhausted --error 'timeout of the bank:' --max 3");
    assert_eq!(found.items[0].tally.deliveries, 2);
}

#[tokio::test]
async fn commands_cannot_be_made_by_data() {
    let inbox = MemoryInbox::new();
    for number in 0..2 {
        let error = format!("it's; $(reboot)\u{1b}[2J {number}");
        dead(&inbox, order(&format!("O{number}"), "Ada", "1.00"), DeadCause::ProcessKilled, &error).await;
        let mut junk = NewDelivery::new("wert", "wert", NOW, format!("{number}").into());
        junk.event_type = Some("a' ; reboot".to_owned());
        junk.quarantine = Some(Quarantine::unreadable("not an object"));
        inbox.record(junk).await.unwrap();
    }
    let found = of(&inbox).await;
    let [dead, junk] = found.items.as_slice() else { panic!("{found:?}") };
    assert_eq!(dead.command, r"inbox replay --reason crash --error 'it'\''s; $(reboot)' --max 2");
    assert_eq!(junk.command, r"inbox list --state quarantined --type 'a'\'' ; reboot'");
    let shown = format!("{found:?}");
    assert!(!shown.contains("reboot"), "{shown}");
}

#[tokio::test]
async fn a_conflict_shows_both_amounts() {
    let inbox = MemoryInbox::new();
    inbox.record(order("O1", "Ada", "250.00")).await.unwrap();
    let Recorded::Conflict { kept, .. } = inbox.record(order("O1", "Ada", "950.00")).await.unwrap() else { panic!("conflict") };
    let found = of(&inbox).await;
    let command = format!("inbox diff {kept}");
    let tally = &found.items[0].tally;
    assert_eq!(
        (tally.deliveries, tally.purchases, tally.paid.len(), tally.unclear),
        (1, 0, 0, 0),
        "the money of a conflict was not paid twice"
    );
    assert_eq!(
        shown(&found),
        [("1 event contradicts an earlier one".to_owned(), "order O1, 250.00 USD, then 950.00 USD", &*command)]
    );
    inbox.record(order("O1", "Ada", "7.00")).await.unwrap();
    let found = of(&inbox).await;
    let detail = "the newest: order O1, 250.00 USD, then 7.00 USD";
    assert_eq!(shown(&found), [("2 events contradict earlier ones".to_owned(), detail, "inbox list --state conflict")]);
}

#[tokio::test]
async fn purchases_in_quarantine_are_told_from_other_deliveries() {
    let inbox = MemoryInbox::new();
    for (event_type, reason) in
        [(Some("order_complete"), "order.quote_amount: not an amount"), (None, "not JSON"), (None, "not JSON")]
    {
        let mut delivery = NewDelivery::new("wert", "wert", NOW, r#"{"a":"b"}"#.into());
        delivery.event_type = event_type.map(str::to_owned);
        delivery.quarantine = Some(Quarantine::unreadable(reason));
        inbox.record(delivery).await.unwrap();
    }
    assert_eq!(
        shown(&of(&inbox).await),
        [
            (
                "1 event in quarantine that may report a purchase".to_owned(),
                "order_complete: order.quote_amount: not an amount",
                "inbox show 1"
            ),
            ("2 deliveries in quarantine".to_owned(), "the newest: not JSON", "inbox list --state quarantined")
        ]
    );
}

#[tokio::test]
async fn deliveries_that_no_worker_takes_need_attention_after_five_minutes() {
    let inbox = MemoryInbox::new();
    inbox.record(order("O1", "Ada", "1.00")).await.unwrap();
    let at = async |minutes: u64| {
        let now = NOW.after(Duration::from_secs(minutes * 60 + 1));
        attention(&inbox, &Providers::default(), now).await.unwrap()
    };
    let (early, late) = (at(4).await, at(5).await);
    assert!(early.items.is_empty() && early.oldest_due == Some(NOW));
    assert_eq!(late.items[0].title(), "1 delivery is due, and no worker handles it");
    assert_eq!(late.items[0].command, "inbox list --state pending,leased,retrying,parked");
    assert_eq!(late.items[0].tally.unclear, 0);
}

#[tokio::test]
async fn more_than_can_be_looked_at_are_said_to_be_more() {
    let inbox = MemoryInbox::new();
    for number in 0..10_001 {
        inbox.record(order(&format!("O{number}"), "Ada", "1.00")).await.unwrap();
    }
    let found = attention(&inbox, &Providers::default(), NOW.after(Duration::from_secs(600))).await.unwrap();
    assert_eq!(found.items[0].title(), "at least 10000 deliveries are due, and no worker handles them");
    assert_eq!(list_all(&inbox, Filter::all().limit(20_000)).await.unwrap().len(), 10_001);
}

/// Stores what a process says of its endpoints.
async fn says(inbox: &MemoryInbox, seen_at: Timestamp, verdict: &str) {
    let text = format!(
        r#"[{{"id":"1","version":"9.9.9","started_at":0,"seen_at":{},"endpoints":[
            {{"name":"wert","provider":"wert","verdict":"{verdict}","advice":"Enable it again."}},{{"name":7}}]}},{{"of":"another version"}}]"#,
        seen_at.as_millis()
    );
    let state = inbox.task_state("traffic/processes").await.unwrap();
    let version = state.version;
    assert!(inbox.set_task_state(state.at(version, text)).await.unwrap());
}

#[tokio::test]
async fn endpoints_whose_provider_may_stop_are_listed_while_their_receiver_runs() {
    let inbox = MemoryInbox::new();
    for (verdict, title) in
        [("refusing", "the requests of the provider to wert are refused"), ("silent", "wert is silent: nothing arrives")]
    {
        says(&inbox, NOW, verdict).await;
        let found = of(&inbox).await;
        assert_eq!(shown(&found), [(title.to_owned(), "Enable it again.", "inbox stats --by endpoint")]);
        says(&inbox, NOW.before(Duration::from_secs(181)), verdict).await;
        assert!(of(&inbox).await.items.is_empty(), "it ended");
    }
    for verdict in ["fine", "attention", "of another version"] {
        says(&inbox, NOW, verdict).await;
        assert!(of(&inbox).await.items.is_empty(), "{verdict}");
    }
}

#[tokio::test]
async fn an_inbox_that_cannot_record_is_a_problem_with_advice() {
    let item = cannot_record(&MemoryInbox::new(), &StoreError::new(StoreErrorKind::Full, "check")).await;
    assert_eq!(item.title(), "the inbox cannot record: the store is full");
    assert_eq!((&*item.detail, &*item.command), ("Free some space: until then, only a spill can record events.", "doctor"));
    assert_eq!(item.kind.as_str(), "cannot_record");
    let space = crate::inbox::Space::new(310 << 20, 95 << 20).unused(12 << 20).log(4 << 20);
    assert_eq!(space.to_string(), "bodies 310 MiB, everything else 95 MiB, unused pages 12 MiB, the log 4 MiB");
}
