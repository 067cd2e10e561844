//! Positions and checkpoints of readers that continue later: they come back from their texts unchanged, and a run continues from any.

use std::sync::Arc;

use onramp_webhooks::inbox::MemoryInbox;
use onramp_webhooks_client::WertDataApi;
use onramp_webhooks_client::wert::{Checkpoint, Phase, Position, Reconciler};

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
    let positions = ["start", "end", "cursor:01KAQWBNWWGG06HR5T9Z35A3WD", "offset:40"].map(str::to_owned);
    let checkpoints = [r#"{"orders":"start"}"#, r#"{"orders":"end"}"#, r#"{"deliveries":41}"#, r#""done""#].map(checkpoint);
    for text in &checkpoints {
        let written = serde_json::to_value(serde_json::from_str::<Checkpoint>(text).unwrap()).unwrap();
        let members = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(members(&written), members(&serde_json::from_str(text).unwrap()));
    }
    positions.into_iter().chain(checkpoints).map(String::into_bytes).collect()
}

fn checkpoint(phase: &str) -> String {
    format!(
        r#"{{"endpoint":"wert","window":[1700000000000,1700000900000],"repair":true,"phase":{phase},"summary":{{"orders":3,"missing":1,"differs":1,"findings":[{{"finding":"missing","order":"O"}},{{"finding":"differs","order":"P","differences":["the order differs"]}}]}},"slice":{{"since":1700000000,"reached":1700000100,"at_reached":["O"],"seen":["N"]}},"beginning":1,"deliveries_after":2,"deliveries_until":40}}"#
    )
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
