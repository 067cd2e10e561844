//! The inspector: no request breaks it, and the pages of a list are the whole list, each delivery once.

use std::sync::Arc;
use std::time::Duration;

use onramp_webhooks::Inbox;
use onramp_webhooks::adapter::{Page, PageBody, PageRequest, Request};
use onramp_webhooks::clock::{ManualClock, Timestamp};
use onramp_webhooks::identity::DedupKey;
use onramp_webhooks::inbox::{ClaimRequest, DeadCause, MemoryInbox, NewDelivery, Quarantine, Settled, Settlement};
use onramp_webhooks_inspector::Inspector;
use serde_json::Value;

use crate::runtime::block_on;
use crate::{fixtures, parts};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

const TOKENS: [&str; 2] = ["operators-0123456789abcdef0123456789abcdef", "readers-0123456789abcdef0123456789abcdef"];

thread_local! {
    /// An inspector for requests that change nothing.
    static INSPECTOR: Inspector = block_on(inspector());
}

/// The first byte chooses the reader and the method. The first line is a path with a query, and the rest a body.
pub(crate) fn run(input: &[u8]) {
    let (choice, rest) = parts::first(input);
    let (path, body) = parts::two(rest);
    let Ok(path) = str::from_utf8(path) else { return };
    let method = ["GET", "POST", "HEAD"][usize::from(choice) / 2 % 3];
    let token = TOKENS[usize::from(choice) % 2];
    let query = path.strip_prefix("/api/deliveries?").filter(|_| method == "GET");
    match query.filter(|query| !query.contains("id=")) {
        Some(query) => INSPECTOR.with(|inspector| block_on(check_pages(inspector, token, query))),
        None if method == "POST" || path.contains("body") => {
            drop(block_on(async { respond(&inspector().await, method, token, path, body).await }));
        }
        None => INSPECTOR.with(|inspector| drop(block_on(respond(inspector, method, token, path, body)))),
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        "\0/api/deliveries?state=dead,pending&oldest_first=true",
        "\x01/api/deliveries?error=down&limit=3&endpoint=wert",
        "\0/api/deliveries?before=9&after=2&resolved=false&type=login",
        "\x01/api/deliveries?order=wert%2Forder%2F1&reason=exhausted",
        "\0/api/deliveries?since=2023-11-14T22:13:20Z&until=2030-01-01T00:00:00Z&provider=kriptomat",
        "\0/api/deliveries?id=1&id=2",
        "\0/api/deliveries/3",
        "\0/api/deliveries/3/body",
        "\x02/api/deliveries/4/replay\n{}",
        "\x02/api/deliveries/4/resolve\n{\"note\":\"refunded\"}",
        "\x02/api/find\n{\"text\":\"1\"}",
        "\0/api/orders/wert/order/1",
        "\0/api/overview",
        "\x04/",
        "\x02/login\n{\"token\":\"operators-0123456789abcdef0123456789abcdef\"}",
    ];
    texts.map(|text| text.as_bytes().to_vec()).into()
}

/// Returns an inspector of deliveries in several states.
async fn inspector() -> Inspector {
    let inbox = Arc::new(MemoryInbox::new());
    for (number, body) in (0_usize..).zip(fixtures::bodies("wert").into_iter().chain(fixtures::bodies("kriptomat")).take(24)) {
        let endpoint = if number < 20 { "wert" } else { "kriptomat" };
        let mut delivery = NewDelivery::new(endpoint, endpoint, NOW.after(Duration::from_secs(number as u64)), body.into());
        delivery.event_type = Some(["login", "order_complete"][number % 2].to_owned());
        delivery.key = (number % 5 > 0).then(|| DedupKey::new(endpoint, "order", &(number % 7).to_string(), number.to_string()));
        delivery.quarantine = (number % 6 == 5).then(|| Quarantine::unreadable("order.base: missing"));
        inbox.record(delivery).await.unwrap();
    }
    let claims = inbox.claim(NOW.after(Duration::from_secs(60)), ClaimRequest::new(9, Duration::from_secs(30))).await.unwrap();
    let dead = |error: &str| Settled::Dead { cause: DeadCause::AttemptsUsedUp, error: error.to_owned() };
    let outcomes = [dead("the shop is down"), Settled::Handled, dead("no user"), Settled::Released];
    let settlements = claims.deliveries.iter().zip(outcomes).map(|(claimed, outcome)| Settlement::new(claimed.lease, outcome));
    inbox.settle(NOW.after(Duration::from_secs(61)), settlements.collect()).await.unwrap();
    let clock = ManualClock::at(NOW.after(Duration::from_secs(70)));
    Inspector::builder(inbox).token(TOKENS[0]).reader_token(TOKENS[1]).clock(Arc::new(clock)).build().unwrap()
}

/// Sends a request. Returns the object of a success, if it is one.
async fn respond(inspector: &Inspector, method: &str, token: &str, path: &str, body: &[u8]) -> Option<Value> {
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let authorization = format!("Bearer {token}");
    let headers = [
        ("host", "shop.example"),
        ("authorization", authorization.as_str()),
        ("content-type", "application/json"),
        ("x-onramp-inspector", "1"),
    ];
    let head = Request::new(method, path, Some("192.0.2.7".parse().unwrap()), &headers).with_query(query);
    let response = inspector.respond(PageRequest::new(&head, body.to_vec())).await;
    assert!((200..500).contains(&response.status), "{method} {path}: {}", response.status);
    for (name, value) in &response.headers {
        assert!(!value.contains(['\r', '\n', '\0']), "{name}: {value:?}");
    }
    let PageBody::Whole(body) = response.body else { return None };
    let is_json = response.headers.iter().any(|(name, value)| *name == "content-type" && value.ends_with("json"));
    let json: Option<Value> = is_json.then(|| serde_json::from_slice(&body).unwrap());
    json.filter(|_| response.status == 200)
}

/// Reads a list at once, and in pages of two.
async fn check_pages(inspector: &Inspector, token: &str, query: &str) {
    let list = async |more: &str| respond(inspector, "GET", token, &format!("/api/deliveries?{query}&{more}"), b"").await;
    let Some(whole) = list("limit=100").await else { return };
    let whole_ids = ids(&whole);
    assert!(whole_ids.len() <= 24, "{whole_ids:?}");
    let oldest_first = whole_ids.is_sorted();
    assert!(oldest_first || whole_ids.iter().rev().is_sorted(), "in a sequence: {whole_ids:?}");
    let cursor = if form_urlencoded::parse(query.as_bytes())
        .filter(|(name, _)| name == "oldest_first")
        .last()
        .is_some_and(|(_, value)| value == "true")
    {
        "after"
    } else {
        "before"
    };
    let (mut found, mut next) = (Vec::new(), String::new());
    for _ in 0..30 {
        let page = list(&format!("limit=2{next}")).await.unwrap();
        assert!(ids(&page).len() <= 2);
        found.extend(ids(&page));
        match page["next"].as_str() {
            Some(id) => next = format!("&{cursor}={id}"),
            None => {
                assert_eq!(found, whole_ids, "{query}");
                return;
            }
        }
    }
    panic!("the pages of {query} do not end");
}

fn ids(list: &Value) -> Vec<i64> {
    list["data"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().parse().unwrap()).collect()
}
