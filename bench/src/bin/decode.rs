//! (d) Nanoseconds and allocations of parsing one event, without I/O.
//!
//! A separate program, because counting allocations slows down each of them.

#[path = "../report.rs"]
mod report;

use std::hint::black_box;
use std::time::Instant;

use onramp_webhooks::event::DecodeError;
use onramp_webhooks::fingerprint::Fingerprint;
use onramp_webhooks::provider::ProviderEvent;
use onramp_webhooks::{KriptomatPostback, WertEvent};

use crate::report::{median, print, thousands};

/// Reads an event and drops it.
type Read = fn(&[u8]) -> Result<(), DecodeError>;

const EVENTS: [(&str, Read, &[u8]); 4] = [
    ("Wert login", read::<WertEvent>, include_bytes!("../../../crates/onramp-webhooks/fixtures/wert/login.json")),
    (
        "Wert order_complete",
        read::<WertEvent>,
        include_bytes!("../../../crates/onramp-webhooks/fixtures/wert/order_complete.json"),
    ),
    (
        "Wert tx_smart_contract_failed",
        read::<WertEvent>,
        include_bytes!("../../../crates/onramp-webhooks/fixtures/wert/tx_smart_contract_failed.json"),
    ),
    (
        "Kriptomat postback",
        read::<KriptomatPostback>,
        include_bytes!("../../../crates/onramp-webhooks/fixtures/kriptomat/postback.plain-keys.json"),
    ),
];

fn main() -> anyhow::Result<()> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let (calls, rounds) = if quick { (1_000, 1) } else { (100_000, 5) };
    let mut rows = Vec::new();
    for (name, read, body) in EVENTS {
        read(body)?;
        let decoding = || drop(black_box(read(black_box(body))));
        let hashing = || {
            black_box(Fingerprint::of(black_box(body)));
        };
        let value = || drop(black_box(serde_json::from_slice::<serde_json::Value>(black_box(body))));
        let allocations = allocation_counter::measure(decoding).count_total;
        let (decode, value) = (nanos(decoding, calls, rounds), nanos(value, calls, rounds));
        rows.push(vec![
            name.to_owned(),
            body.len().to_string(),
            thousands(decode),
            allocations.to_string(),
            format!("{:.2}", decode / value),
            thousands(nanos(hashing, calls, rounds)),
        ]);
    }
    print("(d) Parsing one event", &["", "bytes", "decode ns", "allocations", "to serde_json::Value", "fingerprint ns"], rows);
    junk(if quick { 1 << 10 } else { 1 << 20 }, rounds);
    Ok(())
}

/// Measures events with a field that has `size` bytes of one kind.
fn junk(size: usize, rounds: usize) {
    let list = |part: &str| format!("[{}]", vec![part; size / (part.len() + 1)].join(","));
    let members = |name: fn(usize) -> String| {
        let members: Vec<_> = (0..size / 11).map(|nth| format!("\"{}\":0", name(nth))).collect();
        format!("{{{}}}", members.join(","))
    };
    let shuffled = |nth: usize| format!("{:06x}", (nth as u32).wrapping_mul(0x9E37_79B1) >> 8);
    let mut rows = Vec::new();
    for (name, junk) in [
        ("zeros in an array", list("0")),
        ("empty arrays", list("[]")),
        ("small objects", list(r#"{"a":0}"#)),
        ("strings with an escape", list(r#""\u0041""#)),
        ("members, sorted", members(|nth| format!("{nth:06}"))),
        ("members, shuffled", members(shuffled)),
        ("one string", format!("\"{}\"", "x".repeat(size))),
        ("one string of escapes", format!("\"{}\"", r"\u0041".repeat(size / 6))),
    ] {
        let body = format!(r#"{{"type":"login","click_id":"A-17","junk":{junk}}}"#);
        let body = body.as_bytes();
        let reading = || drop(black_box(read::<WertEvent>(black_box(body))));
        let hashing = || {
            black_box(Fingerprint::of(black_box(body)));
        };
        let value = || drop(black_box(serde_json::from_slice::<serde_json::Value>(black_box(body))));
        let scanning = || drop(black_box(serde_json::from_slice::<serde::de::IgnoredAny>(black_box(body))));
        let [reading, hashing] = [nanos(reading, 3, rounds), nanos(hashing, 3, rounds)];
        let [value, scanning] = [nanos(value, 3, rounds), nanos(scanning, 3, rounds)];
        let milliseconds = |nanos: f64| format!("{:.2}", nanos / 1e6);
        rows.push(vec![
            name.to_owned(),
            milliseconds(reading),
            format!("{:.2}", reading / value),
            format!("{:.2}", reading / scanning),
            milliseconds(hashing),
            format!("{:.2}", hashing / value),
        ]);
    }
    let title = format!("(d) Events with {size} bytes of junk");
    print(&title, &["", "decode ms", "to serde_json::Value", "to IgnoredAny", "fingerprint ms", "to serde_json::Value"], rows);
}

fn read<E: ProviderEvent>(body: &[u8]) -> Result<(), DecodeError> {
    E::read(body).map(|event| drop(black_box(event)))
}

fn nanos(call: impl Fn(), calls: u32, rounds: usize) -> f64 {
    let round = || {
        let begun = Instant::now();
        (0..calls).for_each(|_| call());
        begun.elapsed().as_nanos() as f64 / f64::from(calls)
    };
    round();
    median((0..rounds).map(|_| round()).collect())
}
