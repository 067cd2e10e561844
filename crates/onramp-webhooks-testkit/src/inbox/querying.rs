//! Queries: lists, single deliveries, counts and the health check.

use bytes::Bytes;
use onramp_webhooks::identity::DedupKey;
use onramp_webhooks::inbox::{DeadCause, DeliveryId, Filter, NewDelivery, Settled, State};

use super::tools::{at, complete, described, keyless, login, received, saying, started, unreadable};
use super::{Fixture, Store};

pub(super) async fn a_body_comes_back_to_the_byte(store: &Store) {
    let inbox = store.open().await;
    let every_byte: Vec<u8> = (0..=255).collect();
    let bodies = [
        Bytes::new(),
        Bytes::from_static(b"\0"),
        Bytes::from_static(b"\xef\xbb\xbf{\"type\": \"test\"}\r\n"),
        every_byte.into(),
        vec![b'x'; 1 << 20].into(),
    ];
    for body in bodies {
        let id = inbox.new_id(saying(keyless(), body.clone())).await;
        let shown = inbox.see(id).await;
        assert_eq!(shown.fingerprint, saying(keyless(), body.clone()).fingerprint);
        assert!(shown.body == Some(body.clone()), "shown: {} bytes", body.len());
        assert!(inbox.one_due(0).await.body == body, "claimed: {} bytes", body.len());
    }
}

pub(super) async fn what_is_not_there_is_none(store: &Store) {
    let inbox = store.open().await;
    for id in [0, 1, -1, i64::MAX, i64::MIN] {
        assert!(inbox.show(DeliveryId::from_i64(id)).await.unwrap().is_none());
    }
    assert!(inbox.everything().await.is_empty());
    assert!(inbox.counts().await.unwrap().iter().all(|(_, count)| count == 0));
}

pub(super) async fn lists_are_newest_first_and_without_bodies(store: &Store) {
    let inbox = store.open().await;
    let mut all = inbox.one_of_each().await;
    all.sort_unstable();
    all.reverse();
    let list = inbox.everything().await;
    assert_eq!(list.iter().map(|record| record.id).collect::<Vec<_>>(), all);
    for listed in list {
        let mut shown = inbox.see(listed.id).await;
        assert!(listed.body.is_none() && shown.body.is_some());
        shown.body = None;
        assert_eq!(described(&listed), described(&shown), "a list shows all other fields");
    }
}

pub(super) async fn lists_with_bodies_end_with_the_fourth_mebibyte(store: &Store) {
    let inbox = store.open().await;
    let mut all = Vec::new();
    for number in 0..7 {
        let body = vec![b'0' + number; if number == 0 { 3 } else { 1 << 20 }];
        all.push(inbox.new_id(saying(complete(&format!("{number}")), body)).await);
    }
    let gone = inbox.due(0).await;
    assert!(inbox.end(0, gone[1].lease, Settled::Handled).await);
    inbox.forget(gone[1].lease.id).await.unwrap();
    for filter in [Filter::all(), Filter::all().state(State::Leased).state(State::Handled), Filter::all().endpoint("wert")] {
        let filter = filter.oldest_first().with_bodies();
        assert_eq!(in_pages(&inbox, filter.clone()).await, [&all[..6], &all[6..]], "{filter:?}");
        let page = inbox.list(filter).await.unwrap();
        let sizes: Vec<_> = page.records.iter().map(|record| record.body.as_ref().map(Bytes::len)).collect();
        assert_eq!(sizes, [Some(3), None, Some(1 << 20), Some(1 << 20), Some(1 << 20), Some(1 << 20)]);
        assert!(page.records[5].body == inbox.see(all[5]).await.body);
    }
    let waiting = Filter::all().state(State::Leased).with_bodies();
    assert_eq!(in_pages(&inbox, waiting).await.len(), 2, "however they are found");
}

pub(super) async fn lists_fit_their_filter(store: &Store) {
    let inbox = store.open().await;
    let [pending, leased, retrying, parked, handled, dead, quarantined, kept] = inbox.one_of_each().await;
    let states = [pending, leased, retrying, parked, handled, dead, quarantined, kept].into_iter().zip(State::ALL);
    for (id, state) in states {
        assert_eq!(listed(&inbox, Filter::all().state(state)).await, [id], "{state}");
    }
    assert_eq!(listed(&inbox, Filter::all().state(State::Dead).state(State::Parked)).await, [parked, dead]);

    let start = inbox.new_id(started("handled")).await;
    let click = inbox.new_id(login("handled", 100)).await;
    let postback = NewDelivery::new("kriptomat", "kriptomat", at(0), Bytes::from_static(b"{}"));
    let postback = inbox.new_id(about(postback, "kriptomat/uuid/handled", "postback")).await;
    assert_eq!(listed(&inbox, Filter::all().about("handled")).await, [postback, click, start, kept, handled]);
    assert_eq!(listed(&inbox, Filter::all().about("handled").endpoint("wert")).await, [click, start, kept, handled]);
    assert_eq!(listed(&inbox, Filter::all().endpoint("kriptomat")).await, [postback]);
    assert_eq!(listed(&inbox, Filter::all().event_type("payment_started")).await, [start]);
    assert_eq!(listed(&inbox, Filter::all().provider("kriptomat")).await, [postback]);
    assert_eq!(listed(&inbox, Filter::all().order("wert/order/handled")).await, [start, kept, handled]);
    assert_eq!(listed(&inbox, Filter::all().cause(DeadCause::RefusedByHandler)).await, [dead]);
    assert_eq!(listed(&inbox, Filter::all().error("for good")).await, [dead]);
    assert_eq!(listed(&inbox, Filter::all().error("no such").state(State::Parked)).await, [parked]);
    let all_of_it = Filter::all().about("handled").endpoint("wert").event_type("order_complete").state(State::Conflict);
    assert_eq!(listed(&inbox, all_of_it).await, [kept]);

    for nothing in [
        Filter::all().about("handle"),
        Filter::all().about("andled"),
        Filter::all().about("order/handled"),
        Filter::all().about("%"),
        Filter::all().event_type("payment"),
        Filter::all().endpoint("WERT"),
        Filter::all().provider("handled"),
        Filter::all().order("wert/order/handle"),
        Filter::all().order("handled"),
        Filter::all().cause(DeadCause::RefusedByCheck),
        Filter::all().cause(DeadCause::RefusedByHandler).state(State::Parked),
        Filter::all().error("FOR GOOD"),
        Filter::all().error("%"),
        Filter::all().about("handled").state(State::Leased),
    ] {
        assert_eq!(listed(&inbox, nothing.clone()).await, [], "{nothing:?}");
    }
    let slashes = inbox.new_id(complete("a/b/c")).await;
    assert_eq!(listed(&inbox, Filter::all().about("a/b/c")).await, [slashes]);
    assert_eq!(listed(&inbox, Filter::all().about("c")).await, []);
    let letters = inbox.new_id(complete("größe-%_")).await;
    assert_eq!(listed(&inbox, Filter::all().about("größe-%_")).await, [letters]);
    let long = "7".repeat(40);
    let long = [inbox.new_id(complete(&long)).await, inbox.new_id(complete(&format!("{long}8"))).await];
    assert_eq!(listed(&inbox, Filter::all().about("7".repeat(40))).await, [long[0]]);
    assert_eq!(listed(&inbox, Filter::all().order(format!("wert/order/{}", "7".repeat(40)))).await, [long[0]]);
}

pub(super) async fn lists_fit_the_time_of_arrival(store: &Store) {
    let inbox = store.open().await;
    let [early, middle, late] = [10, 20, 30].map(|second| received(keyless(), second));
    // Ids follow the order of recording, which may differ from that of the times.
    let (late, early, middle) = (inbox.new_id(late).await, inbox.new_id(early).await, inbox.new_id(middle).await);
    assert_eq!(listed(&inbox, Filter::all().since(at(20))).await, [middle, late]);
    assert_eq!(listed(&inbox, Filter::all().until(at(20))).await, [early]);
    assert_eq!(listed(&inbox, Filter::all().since(at(10)).until(at(21))).await, [middle, early]);
    assert_eq!(listed(&inbox, Filter::all().since(at(31))).await, []);
}

pub(super) async fn lists_find_a_key(store: &Store) {
    let inbox = store.open().await;
    let (mut of_a, id) = (Vec::new(), inbox.new_id(complete("A")).await);
    inbox.new_id(started("A")).await;
    inbox.new_id(complete("B")).await;
    inbox.new_id(keyless()).await;
    let key = || complete("A").key.unwrap();
    of_a.extend(inbox.list(Filter::all().key(key())).await.unwrap().records.iter().map(|record| record.id));
    assert_eq!(of_a, [id]);
    for other in [Filter::all().key(key()).endpoint("sandbox"), Filter::all().key(key()).before(id)] {
        assert!(inbox.list(other).await.unwrap().records.is_empty());
    }
    assert!(inbox.list(Filter::all().key(complete("C").key.unwrap())).await.unwrap().records.is_empty());
}

pub(super) async fn pages_follow_each_other(store: &Store) {
    let inbox = store.open().await;
    let mut all = Vec::new();
    for number in 0..130 {
        all.push(inbox.new_id(if number % 2 == 0 { keyless() } else { unreadable(format!("{number}")) }).await);
    }
    all.reverse();
    assert_eq!(listed(&inbox, Filter::all()).await, all[..100], "a page has 100 unless asked otherwise");
    let mut pending: Vec<_> = all.iter().skip(1).step_by(2).copied().collect();
    let filter = Filter::all().limit(7).state(State::Pending);
    assert_eq!(in_pages(&inbox, filter.clone()).await.concat(), pending);
    pending.reverse();
    assert_eq!(in_pages(&inbox, filter.clone().oldest_first()).await.concat(), pending);
    let between = filter.after(pending[3]).before(pending[20]);
    assert_eq!(in_pages(&inbox, between.clone().oldest_first()).await.concat(), pending[4..20]);
    assert_eq!(in_pages(&inbox, between).await.concat().len(), 16);
    assert_eq!(listed(&inbox, Filter::all().limit(0)).await, []);
}

pub(super) async fn a_page_looks_at_no_more_than_it_may(store: &Store) {
    let inbox = store.open().await;
    let rare = inbox.new_id(received(started("rare"), 1)).await;
    for number in 0..20 {
        inbox.new_id(received(keyless(), 2 + number)).await;
    }
    let newest = inbox.new_id(received(started("newest"), 30)).await;
    let filter = Filter::all().event_type("payment_started").search_limit(4);
    let first = inbox.list(filter.clone()).await.unwrap();
    assert_eq!(first.records.iter().map(|record| record.id).collect::<Vec<_>>(), [newest]);
    assert_eq!(first.searched_to, Some(at(19)), "of four, the last arrived then");
    let pages = in_pages(&inbox, filter.clone()).await;
    assert_eq!((pages.concat(), pages.len()), (vec![newest, rare], 6));
    let pages = in_pages(&inbox, filter.oldest_first()).await;
    assert_eq!((pages.concat(), pages.len()), (vec![rare, newest], 6));
    for indexed in
        [Filter::all().about("rare"), Filter::all().order("wert/order/rare"), Filter::all().key(started("rare").key.unwrap())]
    {
        assert_eq!(in_pages(&inbox, indexed.search_limit(1)).await.concat(), [rare], "however few are looked at");
    }
    let waiting = Filter::all().state(State::Pending).search_limit(2);
    assert_eq!(in_pages(&inbox, waiting).await.concat().len(), 22, "more wait than are looked at");
}

pub(super) async fn counts_know_every_state(store: &Store) {
    let inbox = store.open().await;
    inbox.one_of_each().await;
    inbox.new_id(keyless()).await;
    let expected = State::ALL.map(|state| match state {
        State::Pending => (state, 2),
        State::Unknown => (state, 0),
        _ => (state, 1),
    });
    let counts = inbox.counts().await.unwrap();
    assert_eq!(counts.iter().collect::<Vec<_>>(), expected);
    assert_eq!(counts, expected.into_iter().collect());
}

pub(super) async fn what_is_open_is_counted(store: &Store) {
    let inbox = store.open().await;
    inbox.one_of_each().await;
    inbox.new_id(started("pending")).await;
    let counts = inbox.open_counts().await.unwrap();
    let expected = State::ALL.map(|state| match state {
        State::Pending => (state, 2),
        State::Unknown | State::Handled => (state, 0),
        _ => (state, 1),
    });
    assert_eq!(counts.iter().collect::<Vec<_>>(), expected);
}

pub(super) async fn a_healthy_inbox_says_so(store: &Store) {
    let inbox = store.open().await;
    inbox.check().await.unwrap();
    inbox.one_of_each().await;
    inbox.check().await.unwrap();
    assert_eq!(inbox.everything().await.len(), 8, "a check leaves no delivery");
}

fn about(mut new: NewDelivery, subject: &str, event_type: &str) -> NewDelivery {
    new.event_type = Some(event_type.into());
    new.key = Some(DedupKey::from_parts(subject.into(), event_type.into()));
    new
}

/// Reads all pages, and asserts that each one but the last is followed by another.
async fn in_pages(inbox: &Fixture, filter: Filter) -> Vec<Vec<DeliveryId>> {
    let (mut pages, mut next) = (Vec::new(), Some(filter));
    while let Some(filter) = next {
        let page = inbox.list(filter.clone()).await.unwrap();
        assert!(page.records.len() <= filter.page_size(), "{page:?}");
        assert_eq!(page.next.is_some(), page.searched_to.is_some(), "{page:?}");
        pages.push(page.records.iter().map(|record| record.id).collect());
        assert!(pages.len() < 100, "the pages do not end: {page:?}");
        next = filter.following(&page);
    }
    pages
}

async fn listed(inbox: &Fixture, filter: Filter) -> Vec<DeliveryId> {
    inbox.list(filter).await.unwrap().records.iter().map(|record| record.id).collect()
}
