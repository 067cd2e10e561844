//! Positions and checkpoints of readers that continue later: they come back from their texts unchanged, and a run continues from any.

use std::sync::Arc;

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::MemoryInbox;
use onramp_webhooks_client::WertDataApi;
use onramp_webhooks_client::wert::{Checkpoint, Phase, Position, Reconciler, Window};

use serde_json::Value;

use crate::runtime::block_on;
use crate::subset::has;

pub(crate) fn run(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    if let Ok(position) = text.parse::<Position>() {
        assert_eq!(position.to_string().parse(), Ok(position.clone()));
        let written = serde_json::to_string(&position).unwrap();
        assert_eq!(serde_json::from_str::<Position>(&written).unwrap(), position);
    }
    if let Ok(checkpoint) = serde_json::from_str::<Checkpoint>(text) {
        let written = serde_json::to_string(&checkpoint).unwrap();
        assert_eq!(serde_json::from_str::<Checkpoint>(&written).unwrap(), checkpoint);
        let value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        // An offset may have zeros in front.
        assert!(text.contains("offset") || has(&value(text), &value(&written)), "{written}");
        check_resumed(checkpoint);
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let texts = ["start", "end", "cursor:01KAQWBNWWGG06HR5T9Z35A3WD", "offset:40"];
    let window = Window::new(Timestamp::from_millis(1_700_000_000_000), Timestamp::from_millis(1_700_000_900_000));
    let mut seeds: Vec<_> = texts.map(|text| text.as_bytes().to_vec()).into();
    let start = serde_json::to_string(reconciler("wert").report(window).checkpoint()).unwrap();
    for (phase, text) in [("end", r#""orders":"end""#), ("deliveries", r#""deliveries":41"#)] {
        let changed =
            start.replace(r#""orders":"start""#, text).replace(r#""deliveries_until":null"#, r#""deliveries_until":40"#);
        assert_ne!(changed, start, "{phase}");
        seeds.push(changed.into_bytes());
    }
    seeds.push(start.into_bytes());
    seeds
}

fn reconciler(endpoint: &str) -> Reconciler {
    let api = WertDataApi::at("http://127.0.0.1:9", "key").build().unwrap();
    Reconciler::new(api, Arc::new(MemoryInbox::new()), endpoint)
}

/// Continues a run, as far as that needs no request.
fn check_resumed(checkpoint: Checkpoint) {
    let mut run = reconciler(&checkpoint.endpoint).resume(checkpoint.clone()).unwrap();
    assert_eq!(run.checkpoint(), &checkpoint);
    if !matches!(checkpoint.phase, Phase::Orders(Position::Start | Position::Cursor(_) | Position::Offset(_))) {
        let stepped = block_on(run.step());
        assert!(stepped.is_ok(), "{stepped:?}");
    }
}
