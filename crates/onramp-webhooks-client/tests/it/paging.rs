//! Walks over pages, by cursor and by offset, which always end.

use onramp_webhooks_client::ClientErrorKind;
use onramp_webhooks_client::wert::{OrdersQuery, Position};
use onramp_webhooks_testkit::events::WertOrder;
use onramp_webhooks_testkit::provider::{Answer, Lie, Paging};
use serde_json::json;

use super::tools::{provider_with, thrice, walk, wert};

#[tokio::test]
async fn every_order_comes_once_by_cursor_and_by_offset() {
    for paging in [Paging::Cursor, Paging::Offset] {
        // Without a total, only another request shows whether a full page was the last.
        let full = if paging == Paging::Cursor { 2 } else { 1 };
        for (orders, pages) in [(0, 1), (1, 1), (19, 1), (20, full), (21, 2), (40, 2), (45, 3)] {
            let (provider, ids) = provider_with(orders).await;
            provider.page_by(paging);
            let found = walk(&wert(&provider).build().unwrap(), OrdersQuery::new().oldest_first()).await.unwrap();
            assert_eq!(found.concat(), ids, "{paging:?}");
            assert_eq!((found.len(), provider.requests().len()), (pages, pages), "{paging:?} {orders}");
        }
    }
}

#[tokio::test]
async fn the_newest_come_first_unless_asked_otherwise() {
    let (provider, mut ids) = provider_with(25).await;
    let found = walk(&wert(&provider).build().unwrap(), OrdersQuery::new()).await.unwrap();
    ids.reverse();
    assert_eq!(found.concat(), ids);
}

#[tokio::test]
async fn offsets_go_on_where_nobody_says_how_many_there_are() {
    let (provider, ids) = provider_with(25).await;
    let rows = |ids: &[String]| {
        let rows: Vec<_> = ids.iter().map(|id| json!({ "order_id": id })).collect();
        Answer::json(200, &json!({ "success": true, "data": rows }))
    };
    provider.answer_next(rows(&ids[..20]));
    provider.answer_next(rows(&ids[20..]));
    let found = walk(&wert(&provider).build().unwrap(), OrdersQuery::new()).await.unwrap();
    assert_eq!(found.concat(), ids);
    assert_eq!(provider.requests()[1].parameter("offset"), Some("20"));

    // A full page that is the last one, at a provider that ignores offsets.
    provider.answer_always(rows(&ids[..20]));
    let found = walk(&wert(&provider).build().unwrap(), OrdersQuery::new()).await.unwrap();
    assert_eq!(found.concat(), ids[..20]);
}

#[tokio::test]
async fn orders_that_move_to_a_later_page_come_once() {
    let (provider, ids) = provider_with(45).await;
    provider.page_by(Paging::Offset);
    let mut pager = wert(&provider).build().unwrap().pager(OrdersQuery::new());
    let mut found = pager.next_page().await.unwrap().unwrap();
    for _ in 0..3 {
        provider.add_order(&WertOrder::new(), "success");
    }
    while let Some(rows) = pager.next_page().await.unwrap() {
        found.extend(rows);
    }
    let mut found: Vec<String> = found.into_iter().map(|row| row.order_id.into()).collect();
    found.reverse();
    assert_eq!(found, ids);
}

#[tokio::test]
async fn a_walk_goes_on_where_it_stood() {
    for paging in [Paging::Cursor, Paging::Offset] {
        let (provider, ids) = provider_with(45).await;
        provider.page_by(paging);
        let wert = wert(&provider).build().unwrap();
        let query = OrdersQuery::new().oldest_first();
        let mut first = wert.pager(query.clone());
        first.next_page().await.unwrap().unwrap();
        let written = first.position().to_string();

        let mut second = wert.pager(query).starting_at(written.parse().unwrap());
        let mut found = Vec::new();
        while let Some(rows) = second.next_page().await.unwrap() {
            found.extend(rows.into_iter().map(|row| String::from(row.order_id)));
        }
        assert_eq!(found, ids[20..], "{paging:?}");
        assert_eq!(second.position(), &Position::End);
        let requests = provider.requests().len();
        assert_eq!(second.next_page().await.unwrap(), None);
        assert_eq!(wert.page(&OrdersQuery::new(), &Position::End).await.unwrap().rows, []);
        assert_eq!(provider.requests().len(), requests);
    }
}

#[tokio::test]
async fn after_a_fault_a_walk_stands_where_it_stood() {
    let (provider, ids) = provider_with(45).await;
    let mut pager = wert(&provider).build().unwrap().pager(OrdersQuery::new().oldest_first());
    pager.next_page().await.unwrap();
    let position = pager.position().clone();
    for fault in [Answer::status(500), Answer::close(), Answer::html(), Answer::lie(Lie::OrderTwice)] {
        provider.answer_next(fault);
        pager.next_page().await.unwrap_err();
        assert_eq!(pager.position(), &position);
    }
    let rows = pager.next_page().await.unwrap().unwrap();
    assert_eq!(rows[0].order_id.as_str(), ids[20]);
}

#[tokio::test]
async fn a_cursor_that_never_ends_is_left() {
    let (provider, _) = provider_with(1).await;
    provider.answer_always(Answer::lie(Lie::EndlessCursor));
    let error = walk(&wert(&provider).retry(thrice()).build().unwrap(), OrdersQuery::new().max_pages(30)).await.unwrap_err();
    assert_eq!((error.kind(), error.is_transient()), (ClientErrorKind::EndlessPages, false));
    assert_eq!(provider.requests().len(), 30);
}

#[tokio::test]
async fn a_cursor_that_comes_again_is_left() {
    let (provider, _) = provider_with(1).await;
    provider.answer_always(Answer::lie(Lie::RepeatedCursor));
    let mut pager = wert(&provider).build().unwrap().pager(OrdersQuery::new());
    pager.next_page().await.unwrap().unwrap();
    for _ in 0..3 {
        let error = pager.next_page().await.unwrap_err();
        assert_eq!(error.kind(), ClientErrorKind::EndlessPages);
    }
    assert_eq!(provider.requests().len(), 4);
}

#[tokio::test]
async fn pages_that_bring_nothing_new_are_left() {
    let (provider, _) = provider_with(1).await;
    let page = |cursor: u32, rows: serde_json::Value| {
        Answer::json(200, &json!({ "success": true, "data": rows, "next_cursor_id": cursor.to_string() }))
    };
    for rows in [json!([]), json!([{ "order_id": "O" }])] {
        provider.answer_next(page(1, json!([{ "order_id": "O" }])));
        for cursor in 2..100 {
            provider.answer_next(page(cursor, rows.clone()));
        }
        let before = provider.requests().len();
        let error = walk(&wert(&provider).build().unwrap(), OrdersQuery::new()).await.unwrap_err();
        assert_eq!(error.kind(), ClientErrorKind::EndlessPages);
        assert_eq!(provider.requests().len() - before, 2);
        while provider.requests().len() - before < 99 {
            let _ = wert(&provider).build().unwrap().orders(&OrdersQuery::new()).await;
        }
    }
}

#[tokio::test]
async fn a_total_that_is_never_reached_is_left() {
    let (provider, ids) = provider_with(20).await;
    let rows: Vec<_> = ids.iter().map(|id| json!({ "order_id": id })).collect();
    provider.answer_always(Answer::json(200, &json!({ "success": true, "data": rows, "total": 1_000_000 })));
    let error = walk(&wert(&provider).build().unwrap(), OrdersQuery::new()).await.unwrap_err();
    assert_eq!(error.kind(), ClientErrorKind::EndlessPages);
    assert_eq!(provider.requests().len(), 2);
}
