//! Answers of Wert's API: a page has each order once, with every digit and every field, and no answer confirms another purchase.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bigdecimal::BigDecimal;
use onramp_webhooks::WertEvent;
use onramp_webhooks::clock::{Clock, ManualClock, Timestamp};
use onramp_webhooks::event::{Amount, CompletedPurchase, RawJson};
use onramp_webhooks::provider::ProviderEvent;
use onramp_webhooks::worker::RetryPolicy;
use onramp_webhooks_client::WertDataApi;
use onramp_webhooks_client::wert::{OrderRow, OrdersQuery, Verdict};
use serde_json::value::RawValue;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::parts;
use crate::runtime::{block_on, spawn};

const PURCHASE: &[u8] = br#"{"type":"order_complete","click_id":"customer-7","order":{"id":"O","base":"BTC","base_amount":"0.00391274","quote":"USD","quote_amount":"250.00","address":"0xAb","transaction_id":"0xCd"}}"#;

/// A client, and a server of one answer.
struct Api {
    client: WertDataApi,
    clock: ManualClock,
    answer: Arc<Mutex<Vec<u8>>>,
}

thread_local! {
    static API: Api = Api::start();
}

/// The first byte chooses the status, the first line is `retry-after`, and the rest is the body.
pub(crate) fn run(input: &[u8]) {
    let (status, rest) = parts::first(input);
    let status = [200, 200, 200, 201, 400, 401, 404, 429, 500, 503][usize::from(status) % 10];
    let (retry_after, body) = parts::two(rest);
    API.with(|api| block_on(api.check(status, retry_after, body)));
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let row = r#"{"order_id":"O","click_id":"customer-7","status":"success","currency":"usd","currency_amount":250,"crypto":"btc","crypto_amount":"0.00391274","address":"0xab","transaction_id":null,"user_id":7,"created_at":"2026-10-21T07:28:00.123Z","changed_at":"","partner_fee":1.5e-3,"partner_fee_percent":"0.5","card_id":{"a":[1]}}"#;
    [
        format!("\0\n{{\"success\":true,\"data\":[{row}],\"total\":1}}"),
        format!("\0\n{{\"success\":\"true\",\"data\":[{row},{{\"order_id\":7}}],\"next_cursor_id\":\"01K\",\"took\":3}}"),
        format!("\0\n{{\"data\":[{row},{row}]}}"),
        "\0\n{\"data\":null}".to_owned(),
        "\x07120\n{\"message\":\"slow down\"}".to_owned(),
        "\x09Wed, 21 Oct 2026 07:28:00 GMT\n<html>".to_owned(),
    ]
    .map(String::into_bytes)
    .into()
}

impl Api {
    fn start() -> Self {
        let clock = ManualClock::at(Timestamp::from_millis(1_792_567_680_000));
        let answer = Arc::new(Mutex::new(Vec::new()));
        let listener = block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        spawn(serve(listener, Arc::clone(&answer)));
        let once = RetryPolicy::new(1, Duration::ZERO, Duration::ZERO);
        let client = WertDataApi::at(url, "key").retry(once).clock(Arc::new(clock.clone())).build().unwrap();
        Self { client, clock, answer }
    }

    async fn check(&self, status: u16, retry_after: &[u8], body: &[u8]) {
        let is_value = |byte: &u8| matches!(byte, b' '..=b'~');
        let retry_after: String = retry_after.iter().copied().filter(is_value).map(char::from).collect();
        let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nretry-after: {retry_after}\r\n\r\n", body.len());
        *self.answer.lock().unwrap() = [head.as_bytes(), body].concat();
        match self.client.orders(&OrdersQuery::new()).await {
            Ok(page) => {
                assert!(status < 300);
                check_rows(&page.rows, body);
            }
            Err(error) => {
                let text = error.to_string();
                assert!(text.len() < 1_000 && !text.contains(char::is_control), "{text:?}");
                self.pass(error.retry_after());
            }
        }
        let purchase = WertEvent::read(PURCHASE).unwrap().completed_purchase().unwrap().unwrap();
        let verdicts = self.client.confirm(std::slice::from_ref(&purchase)).await;
        let [verdict] = verdicts.as_slice() else { panic!("{verdicts:?}") };
        match verdict {
            Verdict::Confirmed(confirmed) => check_confirmed(&purchase, confirmed, body),
            Verdict::OrderUnavailable(error) | Verdict::ProviderUnavailable(error) => self.pass(error.retry_after()),
            _ => {}
        }
    }

    /// Moves the clock behind the pause that an answer asked for.
    fn pass(&self, pause: Option<Duration>) {
        if let Some(pause) = pause {
            self.clock.set(Timestamp::from_millis(1_792_567_680_000).max(self.clock.now()).after(pause + Duration::from_secs(1)));
        }
    }
}

/// Checks that rows have all members of the objects in the body.
fn check_rows(rows: &[OrderRow], body: &[u8]) {
    let ids: HashSet<_> = rows.iter().map(|row| row.order_id.as_str()).collect();
    assert!(ids.len() == rows.len() && !ids.contains(""), "{ids:?}");
    let Some(data) = parsed(body).pointer("/data") else { return assert!(rows.is_empty()) };
    let objects: Vec<&RawValue> = serde_json::from_str(data.as_str()).unwrap_or_default();
    assert_eq!(objects.len(), rows.len());
    for (row, object) in rows.iter().zip(objects) {
        let object: RawJson = object.get().parse().unwrap();
        let members: BTreeMap<String, &RawValue> = serde_json::from_str(object.as_str()).unwrap();
        let amounts = [&row.currency_amount, &row.crypto_amount, &row.partner_fee, &row.partner_fee_percent];
        let texts = [row.click_id.is_some(), row.status.is_some(), row.user_id.is_some(), row.address.is_some()];
        let others = [
            row.currency.is_some(),
            row.crypto.is_some(),
            row.transaction_id.is_some(),
            row.created_at.is_some(),
            row.changed_at.is_some(),
        ];
        let known =
            amounts.iter().filter(|amount| amount.is_some()).count() + texts.iter().chain(&others).filter(|is| **is).count();
        assert_eq!(1 + known + row.extra.len(), members.len(), "{row:?}");
        for (name, amount) in ["currency_amount", "crypto_amount", "partner_fee", "partner_fee_percent"].into_iter().zip(amounts)
        {
            check_amount(&object, name, amount.as_ref());
        }
    }
}

fn parsed(body: &[u8]) -> RawJson {
    str::from_utf8(body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body)).unwrap().parse().unwrap()
}

fn check_amount(object: &RawJson, name: &str, amount: Option<&Amount>) {
    let Some(amount) = amount else { return };
    let value = object.pointer(&format!("/{name}")).unwrap();
    let decimal: BigDecimal = value.to_text().unwrap().parse().unwrap();
    assert_eq!(amount.to_decimal(), decimal, "{name}");
}

/// Checks that the answer has the confirmed order, and nearly its amounts.
fn check_confirmed(purchase: &CompletedPurchase, confirmed: &CompletedPurchase, body: &[u8]) {
    let data = parsed(body).pointer("/data").unwrap();
    let rows: Vec<RawJson> = serde_json::from_str(data.as_str()).unwrap();
    let text = |row: &RawJson, name: &str| row.pointer(&format!("/{name}")).and_then(|value| Some(value.to_text()?.into_owned()));
    let row = rows.iter().find(|row| text(row, "order_id").as_deref() == Some("O")).expect("the order is in the answer");
    assert!(text(row, "status").is_some_and(|status| status.eq_ignore_ascii_case("success")));
    assert_eq!(text(row, "click_id").as_deref(), Some("customer-7"));
    assert!(text(row, "currency").is_some_and(|code| code.eq_ignore_ascii_case("usd")));
    for (name, event, order) in
        [("currency_amount", &purchase.fiat, &confirmed.fiat), ("crypto_amount", &purchase.crypto, &confirmed.crypto)]
    {
        let stated: BigDecimal = text(row, name).unwrap().parse().unwrap();
        assert_eq!((order.amount.to_decimal(), &order.currency), (stated.clone(), &event.currency));
        let event = event.amount.to_decimal();
        assert!((&stated - &event).abs() * BigDecimal::from(100) <= event, "{name}: {stated}");
    }
}

/// Answers every request on every connection in the same way.
async fn serve(listener: TcpListener, answer: Arc<Mutex<Vec<u8>>>) {
    loop {
        let (connection, _) = listener.accept().await.unwrap();
        spawn(respond(connection, Arc::clone(&answer)));
    }
}

async fn respond(mut connection: TcpStream, answer: Arc<Mutex<Vec<u8>>>) {
    let mut request = Vec::new();
    while let Ok(1..) = connection.read_buf(&mut request).await {
        if request.ends_with(b"\r\n\r\n") {
            request.clear();
            let answer = answer.lock().unwrap().clone();
            if connection.write_all(&answer).await.is_err() {
                return;
            }
        }
    }
}
