//! Requests of an attacker who knows the path secret.

use serde_json::json;

use crate::connection::{Connection, answer_to};
use crate::event::order_complete;
use crate::home::{Home, Subject};
use crate::wait::until;

/// Text that would do harm in a statement, a format string, a terminal or a log of lines.
const HOSTILE: [&str; 6] = [
    "'; DROP TABLE deliveries; --",
    "\"); DELETE FROM points; --",
    "$1 %s {} \\' \\\"",
    "ada\r\n2026-01-01T00:00:00Z ERROR all purchases are lost",
    "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\u{202e}",
    "</script><script>alert(1)</script>",
];

/// A proxy may see one request where the shop would see two. Heads whose end or whose body can be read in several ways are refused, or the
/// connection ends with them (RFC 9112, sections 5.1, 5.2, 6.1 and 6.3).
pub async fn a_request_hidden_in_a_body_is_never_read(subject: Subject) {
    let (home, shop) = Home::started(subject).await;
    let event = order_complete("hidden", "ada", "1");
    let hidden =
        format!("POST /webhooks/wert/dev-secret HTTP/1.1\r\nhost: shop\r\ncontent-length: {}\r\n\r\n{event}", event.len());
    let (all, after) = (hidden.len(), hidden.len() + 5);
    let end = "0\r\n\r\n";
    let ambiguous = [
        format!("content-length: {after}\r\ntransfer-encoding: chunked\r\n\r\n{end}"),
        format!("transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n{end}"),
        format!("content-length: 0\r\ncontent-length: {all}\r\n\r\n"),
        format!("content-length: 0, {all}\r\n\r\n"),
        "content-length: +0\r\n\r\n".to_owned(),
        "content-length: -0\r\n\r\n".to_owned(),
        "content-length : 0\r\n\r\n".to_owned(),
        "content-length: 0\r\ncontent-length : 9\r\n\r\n".to_owned(),
        "transfer-encoding: xchunked\r\n\r\n".to_owned(),
        format!("transfer-encoding: chunked, identity\r\n\r\n{end}"),
        format!("transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n{end}"),
        "transfer-encoding: identity\r\ncontent-length: 0\r\n\r\n".to_owned(),
        "transfer-encoding: \u{b}chunked\r\ncontent-length: 0\r\n\r\n".to_owned(),
        "x: a\r\n transfer-encoding: chunked\r\ncontent-length: 0\r\n\r\n".to_owned(),
        "x: a\rtransfer-encoding: chunked\r\ncontent-length: 0\r\n\r\n".to_owned(),
        "transfer-encoding: chunked\r\n\r\n0;\n\r\n\r\n".to_owned(),
        "transfer-encoding: chunked\r\n\r\n-0\r\n\r\n".to_owned(),
        "transfer-encoding: chunked\r\n\r\n0x0\r\n\r\n".to_owned(),
        "transfer-encoding: chunked\r\n\r\nffffffffffffffff1\r\n".to_owned(),
    ];
    for head in ambiguous {
        let mut connection = Connection::open(shop.address).await;
        connection.send(format!("POST /webhooks/wert/dev-secret HTTP/1.1\r\nhost: shop\r\n{head}{hidden}")).await;
        let first = connection.answer().await;
        assert!([200, 400, 408].contains(&first.status), "{head:?}: {first:?}");
        connection.closes().await;
    }
    shop.wert(order_complete("open", "ada", "1")).await.assert_received();
    shop.has_handled(1).await;
    assert_eq!(home.database().completed().len(), 1, "{:?}", home.database().completed());
}

/// A body that says it is compressed is never expanded: no provider compresses, and a small body could become a large one.
pub async fn a_compressed_body_is_kept_as_it_came(subject: Subject) {
    let (home, shop) = Home::started(subject).await;
    let request = shop.request("POST", "/webhooks/wert/dev-secret").header("content-encoding", "gzip");
    answer_to(request.body(b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0".to_vec())).await.unwrap().assert_received();
    let plain = shop.request("POST", "/webhooks/wert/dev-secret").header("content-encoding", "gzip");
    answer_to(plain.body(order_complete("1", "ada", "1"))).await.unwrap().assert_received();
    shop.has_handled(1).await;
    assert_eq!(home.database().deliveries(), 2);
}

/// Text from strangers is stored and credited as it is. It changes no statement, and the log escapes it.
pub async fn hostile_text_in_every_field_is_only_text(subject: Subject) {
    let (home, shop) = Home::started(subject).await;
    for (index, text) in HOSTILE.into_iter().enumerate() {
        let order = json!({
            "id": format!("{index}{text}"), "base": text, "base_amount": "1", "quote": "USD", "quote_amount": "1",
            "address": text, "transaction_id": text, text: text,
        });
        let event = json!({ "type": "order_complete", "click_id": text, "order": order, text: { text: [text] } });
        shop.wert(event.to_string()).await.assert_received();
        let unknown = json!({ "type": text, "click_id": text, "order": text });
        shop.wert(unknown.to_string()).await.assert_received();
        shop.kriptomat(json!({ "uuid": text, text: text }).to_string()).await;
        shop.wert(text).await.assert_received();
        for path in ["/webhooks/wert/", "/"] {
            let path = text.bytes().fold(path.to_owned(), |path, byte| format!("{path}%{byte:02x}"));
            assert_eq!(shop.post(&path, text).await.status, 404, "{path}");
        }
    }
    until("every purchase is credited to its customer", async || {
        let points = home.database().points();
        HOSTILE.iter().all(|customer| points.contains_key(*customer))
    })
    .await;
    let log = shop.log();
    assert!(!log.contains(|letter: char| letter.is_control() && letter != '\n' || letter == '\u{202e}'), "{log}");
    assert!(!log.lines().any(|line| line.starts_with("2026-01-01T00:00:00Z")), "{log}");
}

/// Strangers cannot fill the disk with lines of the log.
pub async fn malformed_requests_leave_no_line_in_the_log(subject: Subject) {
    let (_home, shop) = Home::started(subject).await;
    for request in ["GET / HTTP/9\r\n\r\n", "GET\r\n\r\n", "\u{1}\r\n\r\n"] {
        let mut connection = Connection::open(shop.address).await;
        connection.send(request).await;
        assert_eq!(connection.answer().await.status, 400, "{request:?}");
    }
    let ended = shop.stop().await;
    assert!(!ended.stderr.contains("ERROR"), "{}", ended.stderr);
}
