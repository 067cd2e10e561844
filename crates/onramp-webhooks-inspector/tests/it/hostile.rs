//! Received text that is hostile, in every field: the API escapes it as JSON, and nothing of it reaches a header or HTML.

use std::time::Duration;

use onramp_webhooks::Inbox;
use onramp_webhooks::identity::DedupKey;
use serde_json::{Value, json};

use crate::tools::{NOW, TOKEN, Under};

const PAYLOADS: [&str; 12] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "'-alert(1)-'",
    "</script><script>alert(1)</script>",
    "javascript:alert(1)",
    "{{constructor.constructor('alert(1)')()}}",
    "<svg/onload=alert(1)>",
    "\u{202e}\u{2066}txt.exe",
    "\u{1b}[31mred\u{1b}]0;title\u{7}",
    "a\r\nset-cookie: x=1",
    "\u{0}\u{feff}\u{2028}\u{2029}",
    "<!--<script>",
];

#[tokio::test]
async fn hostile_text_stays_text_in_every_field() {
    let under = Under::with_tokens();
    for payload in PAYLOADS {
        let text = serde_json::to_string(payload).unwrap();
        let body = format!(
            r#"{{"type":{text},"click_id":{text},{text}:{text},"order":{{"id":{text},"base":{text},"base_amount":"1","quote":{text},"quote_amount":"1","address":{text}}}}}"#
        );
        let id = under
            .record_as("wert", body.as_bytes(), |delivery| {
                delivery.event_type = Some(payload.to_owned());
                delivery.key = Some(DedupKey::new("wert", "order", payload, payload));
                delivery.quarantine = Some(onramp_webhooks::inbox::Quarantine::unreadable(payload));
            })
            .await;
        let note = serde_json::json!({ "note": payload }).to_string();
        under.post(TOKEN, &format!("/api/deliveries/{id}/resolve"), &note).await;
        let reveal = under.post(TOKEN, &format!("/api/deliveries/{id}/reveal"), "{}").await;
        assert_eq!(reveal.json()["type"], payload);
        for answer in [
            under.get(TOKEN, &format!("/api/deliveries/{id}")).await,
            under.get(TOKEN, "/api/deliveries").await,
            under.get(TOKEN, "/api/overview").await,
            reveal,
        ] {
            assert_eq!((answer.status(), answer.header("content-type")), (200, Some("application/json")));
            answer.json();
            assert!(!answer.text().contains(|letter: char| letter.is_ascii_control()), "{payload:?}");
        }
    }
}

/// Receivers store names, advice and addresses in the inbox, where others may write as well.
#[tokio::test]
async fn hostile_text_of_receivers_stays_text() {
    let under = Under::with_tokens();
    let (now, hour) = (NOW.as_millis(), NOW.as_millis() / 3_600_000);
    let store = async |task: &str, text: Value| {
        let state = under.inbox.task_state(task).await.unwrap();
        let version = state.version;
        assert!(under.inbox.set_task_state(state.at(version, text.to_string().replace(r"\u0000", ""))).await.unwrap());
    };
    for (payload, seen) in PAYLOADS.into_iter().zip((0..).map(|minute| now + minute * 60_000)) {
        let status = json!({ "name": payload, "provider": payload, "verdict": "silent", "advice": payload });
        let process = json!({ "id": payload, "version": payload, "started_at": now, "seen_at": seen, "endpoints": [status] });
        store("traffic/processes", json!([process])).await;
        store("traffic/endpoints", json!(["wert"])).await;
        let traffic =
            json!({ "outcomes": { "denied": 1, payload: 1 }, "attempts": { payload: 1 }, "refused_from": { payload: 1 } });
        let minutes = json!({ "of": hour, "spans": { (now / 60_000).to_string(): traffic } });
        store(&format!("traffic/wert/minutes/{:02}", hour % 48), minutes).await;
        under.clock.advance(Duration::from_secs(60));
        for path in ["/api/traffic?span=1h", "/api/endpoints", "/api/overview"] {
            let answer = under.get(TOKEN, path).await;
            assert_eq!((answer.status(), answer.header("content-type")), (200, Some("application/json")));
            assert!(!answer.text().contains(|letter: char| letter.is_ascii_control()), "{payload:?}");
            let shown = answer.json().to_string();
            assert!(shown.contains(json!(payload.replace('\0', "")).to_string().trim_matches('"')), "{path}: {shown}");
        }
    }
}

#[tokio::test]
async fn a_hostile_request_is_answered_with_a_problem_and_never_with_html() {
    let under = Under::with_tokens();
    for payload in PAYLOADS {
        let query = form_urlencoded::Serializer::new(String::new()).append_pair(payload, payload).finish();
        for answer in [
            under.get(TOKEN, &format!("/api/deliveries?{query}")).await,
            under.get(TOKEN, &format!("/api/deliveries?state={query}")).await,
            under.post(TOKEN, "/api/find", &format!(r#"{{{payload}}}"#)).await,
        ] {
            answer.assert_problem(400);
        }
    }
}

#[tokio::test]
async fn a_download_is_never_opened_by_a_browser() {
    let under = Under::with_tokens();
    let id = under.record(b"<script>alert(1)</script>").await;
    let answer = under.get(TOKEN, &format!("/api/deliveries/{id}/body")).await;
    assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
    assert_eq!(answer.header("content-disposition"), Some(format!("attachment; filename=\"delivery-{id}.bin\"").as_str()));
}

#[tokio::test]
async fn a_body_of_a_mebibyte_is_shown_cut() {
    let under = Under::with_tokens();
    let body = format!(r#"{{"type":"order_complete","list":[{}1]}}"#, "1,".repeat(500_000));
    let id = under.record(body.as_bytes()).await;
    let shown = under.get(TOKEN, &format!("/api/deliveries/{id}")).await;
    assert_eq!((shown.status(), shown.json()["body"]["cut"].clone()), (200, true.into()));
    assert!(shown.text().len() < 1 << 20, "{}", shown.text().len());
}
