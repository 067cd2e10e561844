//! Traffic and receivers of the time before a test, in the form in which receivers store them.

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::Inbox;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// The length of a span, the number of spans in a state, the number of states, their name, and the number of spans to store.
const RESOLUTIONS: [(i64, i64, i64, &str, i64); 2] =
    [(MINUTE, 60, 48, "minutes", 25 * 60), (15 * MINUTE, 96, 92, "quarters", 90 * 96)];

/// Text that must stay text.
const HOSTILE: &str = "<img src=x onerror=alert(1)>";

/// Stores the traffic of 90 days: a flood of refused requests three hours ago, slow acknowledgements an hour ago, and a backlog now.
pub(crate) async fn store_traffic(inbox: &dyn Inbox, now: Timestamp) {
    set(inbox, "traffic/endpoints", r#"["","kriptomat","wert"]"#).await;
    for (length, spans, states, name, count) in RESOLUTIONS {
        let last = now.as_millis().div_euclid(length);
        for period in (last - count).div_euclid(spans)..=last.div_euclid(spans) {
            for endpoint in ["", "kriptomat", "wert"] {
                let within = (period * spans..(period + 1) * spans).filter(|span| (last - count..=last).contains(span));
                let traffic: Vec<_> = within
                    .map(|span| {
                        let age = now.as_millis() - span * length;
                        format!(r#""{span}":{}"#, traffic(endpoint, age, length / MINUTE, span, name == "minutes"))
                    })
                    .collect();
                let text = format!(r#"{{"of":{period},"spans":{{{}}}}}"#, traffic.join(","));
                set(inbox, &format!("traffic/{endpoint}/{name}/{:02}", period.rem_euclid(states)), &text).await;
            }
        }
    }
}

fn traffic(endpoint: &str, age: i64, minutes: i64, span: i64, with_addresses: bool) -> String {
    let mixed = (span ^ (span >> 3)).wrapping_mul(0x9E37_79B9_7F4A_7C15_u64.cast_signed());
    let noise = (mixed >> 33).rem_euclid(97);
    let busy = 3 + (span * minutes / 60).rem_euclid(24).min(16);
    let received = busy * minutes / 4 + noise * minutes / 60;
    let is_flood = (3 * HOUR..4 * HOUR).contains(&age);
    let is_slow = (HOUR - 30 * MINUTE..HOUR).contains(&age);
    match endpoint {
        "" => {
            let backlog = if age < HOUR / 2 { 4_200 } else { 200 + noise * 6 };
            let probes = i64::from(noise > 90);
            format!(r#"{{"outcomes":{{"not_found":{probes}}},"backlog":{backlog}}}"#)
        }
        "kriptomat" => {
            let denied = if is_flood { 40 + noise } else { i64::from(noise > 80) };
            let received = received / 8;
            let from = format!(r#","refused_from":{{"203.0.113.{}":{denied},"{HOSTILE}":1,"2001:db8::7":2}}"#, noise % 9);
            let from = if with_addresses { from } else { String::new() };
            format!(r#"{{"outcomes":{{"new":{received},"denied":{denied}}},"attempts":{{"handled":{received}}}{from}}}"#)
        }
        _ => {
            let (slow, max) = if is_slow { (received / 10 + 1, 2_100 + noise * 40) } else { (0, 20 + noise) };
            let (dead, retry) = (i64::from(is_slow) * 2, i64::from(noise > 60) + i64::from(is_slow) * 3);
            let acknowledgements = format!(r#"{{"counts":[0,0,{received},{received},{noise},0,1,0,0,0,0,{slow}],"max":{max}}}"#);
            let handlers = format!(r#"{{"counts":[0,0,0,{received},{received},{noise},0,{slow}],"max":{}}}"#, 60 + noise * 3);
            format!(
                r#"{{"outcomes":{{"new":{received},"duplicate":1}},"acknowledgements":{acknowledgements},
                    "attempts":{{"handled":{received},"retry":{retry},"parked":1,"dead":{dead}}},"handlers":{handlers}}}"#
            )
        }
    }
}

/// Stores a receiver with a silent endpoint, whose advice is hostile, and one that is refused, or with fine ones; and a receiver that has ended.
pub(crate) async fn store_receivers(inbox: &dyn Inbox, now: Timestamp, has_alarms: bool) {
    let seconds = now.as_millis() / 1_000;
    let status = |name: &str, verdict: &str, ago: i64, refused: u32, advice: &str| {
        let (verdict, advice) = if has_alarms { (verdict, advice) } else { ("fine", "null") };
        let provider = name.split('-').next().unwrap_or_default();
        format!(
            r#"{{"name":"{name}","provider":"{provider}","verdict":"{verdict}","last_received":{},"silent_for":{ago},"silent_after":7200,
                "refused_in_a_row":{refused},"refused_last_day":{refused},"unlisted":3,"wrong_secrets":2,"advice":{advice}}}"#,
            seconds - ago
        )
    };
    let silent = format!(
        r#""{HOSTILE} Nothing was received for 3 h 12 min, longer than 2 h 00 min. The provider may have stopped sending. Look at its dashboard.""#
    );
    let refused = r#""The last 6 requests of the provider were not acknowledged; the log has the reasons.""#;
    let endpoints = [
        status("wert", "fine", 40, 0, "null"),
        status("kriptomat", "fine", 900, 0, "null"),
        status("wert-eu", "silent", 11_520, 0, &silent),
        status("kriptomat-eu", "refusing", 600, 6, refused),
    ];
    let ended = if has_alarms { status("wert-old", "fine", 9_000, 0, "null") } else { String::new() };
    let process = |id: &str, seen: i64, endpoints: &str| {
        let started = now.as_millis() - 5 * HOUR;
        format!(r#"{{"id":"{id}","version":"0.1.0","started_at":{started},"seen_at":{seen},"endpoints":[{endpoints}]}}"#)
    };
    let before = process("01d00001", now.as_millis() - 2 * HOUR, &ended);
    let runs = process("5f0c2a91", now.as_millis(), &endpoints.join(","));
    set(inbox, "traffic/processes", &format!("[{before},{runs}]")).await;
}

/// Replaces a state.
async fn set(inbox: &dyn Inbox, task: &str, text: &str) {
    loop {
        let state = inbox.task_state(task).await.unwrap();
        let version = state.version;
        if inbox.set_task_state(state.at(version, text)).await.unwrap() {
            return;
        }
    }
}
